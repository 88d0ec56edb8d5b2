//! How a reload ends: for the action `reload`, which waits for the body, and for a service manager.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use common::async_programs::{self, Service};
use common::notify_socket::{Manager, stopping_within};
use common::published::{ANSWERING, SERVED};
use common::{Answer, Process, Subject, root_or_skip, strace_or_skip, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::respawn::body_of;

/// The bodies that never ask for reloads.
const DEAF: [(&str, &str); 4] =
    [("plain", "park"), ("plain repeat", ""), ("graceful", "wait"), ("repeat", "")];

fn deaf() -> impl Iterator<Item = Service> {
    DEAF.into_iter().map(|(form, body)| Service::new(body).form(form).key("every", "3600000"))
}

/// The form of a body that lives under a supervisor.
fn supervised(service: Service) -> Service {
    service.key("respawn", "on-failure").key("respawn_delay", "3600000")
}

fn reloaded(daemon: Process) -> String {
    format!("subject: reloaded (pid {daemon})")
}

/// Waits until other processes can see that the body asks for reloads.
pub(crate) fn await_taker(service: &Subject) {
    wait_until("a body that takes reloads", || {
        published_at(service, ANSWERING).is_some()
            || published_at(service, SERVED).is_some_and(|number| report(number).contains(" takes_reloads=1"))
    });
}

/// Returns the number that a daemon publishes from this byte of its pidfile on.
fn published_at(service: &Subject, first: i64) -> Option<i64> {
    let file = format!(":{} ", fs::metadata(service.pidfile()).expect("a pidfile").ino());
    let locks = fs::read_to_string("/proc/locks").expect("locks");
    locks.lines().filter(|line| line.contains(&file)).find_map(|line| {
        let start = line.split_whitespace().rev().nth(1)?.parse::<i64>().ok()?;
        Some(start - first).filter(|number| (0..0x10_0000).contains(number))
    })
}

/// Returns a supervisor's first report.
fn report(number: i64) -> String {
    let address = SocketAddr::from_abstract_name(format!("{number:05x}")).expect("an address");
    let mut line = String::new();
    let connection = UnixStream::connect_addr(&address).expect("the supervisor listens");
    BufReader::new(connection).read_line(&mut line).expect("a line");
    line
}

#[test]
fn a_body_that_never_asks_for_reloads_has_reloaded_once_its_log_is_reopened() {
    let supervised_ones = [("plain", "park"), ("graceful", "wait")]
        .map(|(form, body)| supervised(Service::new(body).form(form)));
    for service in deaf().chain(supervised_ones) {
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        for _ in 0..2 {
            fs::rename(service.log(), service.path("old")).unwrap();
            let before = common::now() / 1000;
            service.act("reload").says(0, &reloaded(run.process));
            assert!(manager.hears_of_a_reload() >= before, "systemd ignores a reload before its request");
            assert_eq!(manager.hears(), "READY=1");
            assert_eq!(run.process.link("fd/1"), service.log());
            manager.heard_nothing();
        }
        service.act("stop");
    }
}

#[test]
fn a_body_that_takes_a_reload_has_its_log_reopened_before_it_is_ready_again() {
    let service = Service::new("serve");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    await_taker(&service);
    fs::rename(service.log(), service.path("old")).unwrap();
    run.process.signal(Signal::SIGHUP);
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(run.process.link("fd/1"), service.log());
    service.stop(run.process);
}

#[test]
fn a_stream_that_is_not_the_log_is_left_alone_in_the_foreground() {
    let service = Service::new("park").form("plain").key("stdout", "/dev/null");
    let run = service.run();
    assert_eq!(run.process.link("fd/1"), service.log());
    fs::rename(service.log(), service.path("old")).unwrap();
    service.act("reload").says(0, &reloaded(run.process));
    wait_until("the signal", || !run.process.signals("ShdPnd").contains(&Signal::SIGHUP));
    assert_eq!(run.process.link("fd/1"), service.path("old"));
    service.act("stop");
}

#[test]
fn a_body_that_answers_is_ready_again_before_it_asks_for_more() {
    for answer in ["reloaded", "unloaded no disk"] {
        let service = Service::new("").until(&format!("event; until; {answer}; park"));
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        await_taker(&service);
        let reload = service.begin("reload");
        manager.hears_of_a_reload();
        service.log_with("until");
        manager.heard_nothing();
        service.go();
        assert_eq!(manager.hears(), "READY=1");
        assert_eq!(Answer::from(reload).status.code(), Some(i32::from(answer != "reloaded")));
        manager.heard_nothing();
        service.stop_by_kill(run.process);
    }
}

#[test]
fn a_body_that_does_not_wait_for_an_event_is_ready_again_at_once_and_once_more_when_it_takes_the_reload() {
    for service in forms("reloading; until; reloading; reloading; park") {
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        service.log_with("until");
        run.process.signal(Signal::SIGHUP);
        for is_taken in [false, true] {
            manager.hears_of_a_reload();
            assert_eq!(manager.hears(), "READY=1");
            manager.heard_nothing();
            if !is_taken {
                service.go();
            }
        }
        wait_until("the end", || service.log_text().ends_with("until\nreloading true\nreloading false\n"));
        service.stop_by_kill(run.process);
    }
}

#[test]
fn a_thread_that_waits_for_the_stop_does_not_end_the_reload_of_another() {
    let service = Service::new("").until("event; threads 1 wait 1 & stopping; until; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    await_taker(&service);
    let reload = service.begin("reload");
    manager.hears_of_a_reload();
    service.log_with("until");
    manager.heard_nothing();
    service.go();
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(Answer::from(reload).status.code(), Some(0));
    service.stop(run.process);
}

#[test]
fn a_reload_before_the_body_is_ready_is_told_when_it_is() {
    let service = Service::new("").waiting(30_000).until("until; ready; park");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    service.log_with("until");
    service.act("reload").says(0, &reloaded(run.process));
    wait_until("the signal", || !run.process.signals("ShdPnd").contains(&Signal::SIGHUP));
    manager.heard_nothing();
    service.go();
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    manager.heard_nothing();
    service.stop_by_kill(run.process);
}

#[test]
fn a_supervised_body_that_ends_in_a_reload_leaves_the_manager_no_wait() {
    let service = supervised(Service::new("event; fail no disk"));
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    await_taker(&service);
    let problem = format!("the body of pid {} ended before it had reloaded", run.process);
    service.act("reload").fails(1, &format!("subject: failed to reload: {problem}"));
    manager.hears_of_a_reload();
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    // The body is not respawned for an hour.
    service.act("reload").says(0, &reloaded(run.process));
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    assert_eq!(manager.hears(), stopping_within(12), "the supervisor has two seconds more than the body");
}

#[test]
fn a_status_is_one_line_of_the_daemons_own() {
    for is_supervised in [false, true] {
        let body =
            "status 3 connections; status a\nMAINPID=1; fork status of a child & stopping; status é; wait";
        let service = Service::new(body);
        let service = if is_supervised { supervised(service) } else { service };
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        assert_eq!(manager.hears(), "STATUS=3 connections");
        assert_eq!(manager.hears(), "STATUS=a\\nMAINPID=1");
        assert_eq!(manager.hears(), "STATUS=é");
        service.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
    }
    let long = Service::new(&format!("status {}; wait", "é".repeat(2000)));
    let manager = Manager::of(&long);
    let run = manager.run(&long, &[]);
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(manager.hears(), format!("STATUS={}", "é".repeat(512)));
    long.stop(run.process);
}

#[test]
fn a_manager_knows_how_long_a_stop_may_take() {
    for (timeout, seconds) in [("5000", None), ("3600000", Some(3600))] {
        let service = Service::new("wait").key("stop_timeout", timeout);
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        service.stop(run.process);
        let short = "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000".to_owned();
        assert_eq!(manager.hears(), seconds.map_or(short, stopping_within));
    }
}

/// The daemons whose body runs this script and has a `Context`, each with its supervisor if it has one.
fn forms(script: &str) -> [Service; 2] {
    [Service::new("").until(script), supervised(Service::new("")).until(script)]
}

#[test]
fn reload_returns_once_the_body_has_reloaded() {
    for service in forms("event; until; event") {
        let daemon = service.start();
        await_taker(&service);
        let mut reload = service.begin("reload");
        service.log_with("until");
        assert!(reload.try_wait().unwrap().is_none(), "the body is still at it");
        service.go();
        Answer::from(reload).says(0, &reloaded(daemon));
        service.stop(daemon);
    }
}

#[test]
fn reload_fails_with_the_reason_of_the_body() {
    let graceful = "event; unloaded no disk; event; reloaded; wait";
    for service in forms(graceful) {
        let daemon = service.start();
        await_taker(&service);
        service.act("reload").fails(1, "subject: failed to reload: cannot read: no disk");
        service.act("reload").says(0, &reloaded(daemon));
        assert!(service.log_text().contains("subject: failed to reload: cannot read: no disk\n"));
        service.stop(daemon);
    }
}

#[test]
fn a_reason_of_several_lines_is_shown_in_one() {
    let service = Service::new("event; unloaded a\n\u{1b}[31mb error=c; event");
    let daemon = service.start();
    await_taker(&service);
    service.act("reload").fails(1, "subject: failed to reload: cannot read: a\\n\\u{1b}[31mb error=c");
    service.stop(daemon);
}

#[test]
fn a_repeating_body_answers_when_its_run_is_over() {
    let service = Service::new("").form("repeat").key("every", "10").until("reloading; first until");
    let daemon = service.start();
    await_taker(&service);
    service.log_with("until");
    let reload = service.begin("reload");
    service.go();
    Answer::from(reload).says(0, &reloaded(daemon));
    service.stop(daemon);
}

#[test]
fn a_polling_body_answers() {
    let service = Service::new("reloading; unloaded no disk").form("repeat").key("every", "10");
    for service in
        [service, supervised(Service::new("reloading; unloaded no disk").form("repeat")).key("every", "10")]
    {
        let daemon = service.start();
        await_taker(&service);
        service.act("reload").fails(1, "subject: failed to reload: cannot read: no disk");
        service.stop(daemon);
    }
}

#[test]
fn reload_of_a_body_that_does_not_ask_again_succeeds_soon() {
    let begin = Instant::now();
    let services = forms("event; reloaded; until; event").map(|service| service.key("stop_timeout", "30000"));
    let daemons = services.each_ref().map(Service::start);
    for (service, daemon) in services.iter().zip(daemons) {
        await_taker(service);
        service.act("reload").says(0, &reloaded(daemon));
    }
    let reloads = services.each_ref().map(|service| service.begin("reload"));
    for (reload, daemon) in reloads.into_iter().zip(daemons) {
        Answer::from(reload).says(0, &reloaded(daemon));
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "it waits for stop_timeout");
    for (service, daemon) in services.iter().zip(daemons) {
        service.go();
        wait_until("the reload that was not taken", || service.log_text().ends_with("until\nReload\n"));
        daemon.wait_until_gone();
    }
}

#[test]
fn an_answer_that_comes_when_the_time_to_take_the_reload_is_over_counts() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let go = subject.path("go").display().to_string();
    let subject =
        subject.graceful(format!("event; unloaded first; until {go}; event; unloaded second; wait"));
    let daemon = subject.start();
    await_taker(&subject);
    subject.act("reload").fails(1, "subject: failed to reload: first: the cause");
    // It looks at the locks again when it has waited for two seconds.
    let mut reload = subject.traced(&["-e", "inject=fcntl,?fcntl64:signal=STOP"], "reload");
    let reload = reload.spawn().unwrap();
    let client = wait_for("the client to be suspended", || {
        let trace = fs::read_to_string(subject.path("trace")).ok()?;
        let last = trace.lines().last().filter(|line| line.ends_with("--- stopped by SIGSTOP ---"))?;
        let client = Process(last.split_once(' ')?.0.parse().ok()?);
        let has_waited = trace.lines().any(|line| line.contains("}], 2, ") && line.ends_with("(Timeout)"));
        if !has_waited {
            client.signal(Signal::SIGCONT);
        }
        has_waited.then_some(client)
    });
    fs::write(&go, "").unwrap();
    wait_until("the answer", || subject.raw_log().contains("failed to reload: second"));
    // It may be suspended several times on its way.
    wait_until("the end of the client", || kill(Pid::from_raw(client.0), Signal::SIGCONT).is_err());
    Answer::from(reload).fails(1, "subject: failed to reload: second: the cause");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn an_async_body_answers() {
    let service = Service::variant("multi_thread");
    let daemon = service.start();
    await_taker(&service);
    for _ in 0..3 {
        service.act("reload").says(0, &reloaded(daemon));
    }
    service.stop(daemon);
    let service = Service::variant("picky");
    let daemon = service.start();
    await_taker(&service);
    service.act("reload").fails(1, "subject: failed to reload: reload 1");
    service.act("reload").says(0, &reloaded(daemon));
    service.act("reload").fails(1, "subject: failed to reload: reload 3");
    service.stop(daemon);
}

#[test]
fn reload_of_a_body_that_never_asks_returns_at_once() {
    for service in deaf().chain([Service::new("").until("until")]) {
        let daemon = service.start();
        service.act("reload").says(0, &reloaded(daemon));
        service.stop_by_kill(daemon);
    }
}

#[test]
fn reload_of_a_body_that_does_not_come_back_fails_after_the_stop_timeout() {
    for service in forms("event; until; event") {
        let service = service.key("stop_timeout", "200");
        let daemon = service.start();
        await_taker(&service);
        let problem = format!("the body of pid {daemon} has not reloaded within 200ms");
        service.act("reload").fails(1, &format!("subject: failed to reload: {problem}"));
        service.go();
        service.stop(daemon);
    }
}

#[test]
fn reload_of_a_body_that_ends_fails() {
    for end in ["fail no disk", "code 0", "abort", "exit 3"] {
        let service = Service::new(&format!("event; {end}"));
        let daemon = service.start();
        await_taker(&service);
        let problem = format!("the body of pid {daemon} ended before it had reloaded");
        service.act("reload").fails(1, &format!("subject: failed to reload: {problem}"));
    }
}

#[test]
fn a_supervised_body_that_is_not_ready_yet_answers_a_reload() {
    for (answer, code) in [("reloaded", 0), ("unloaded no disk", 1)] {
        let script = format!("print up; event; until; {answer}; ready; serve");
        let service = supervised(Service::new("")).until(&script).key("wait_ready", "20000");
        let start = service.begin("start");
        service.log_with("up");
        await_taker(&service);
        let reload = service.begin("reload");
        service.log_with("until");
        service.go();
        let answer = Answer::from(reload);
        assert_eq!(answer.status.code(), Some(code), "{answer:?}");
        assert!(code == 0 || answer.stderr.contains("failed to reload: cannot read: no disk"), "{answer:?}");
        assert_eq!(Answer::from(start).status.code(), Some(0));
        service.act("stop");
    }
}

#[test]
fn a_supervised_body_that_is_asked_to_stop_in_a_reload_still_answers_it() {
    let service = supervised(Service::new("")).until("event; until; reloaded; event");
    let daemon = service.start();
    await_taker(&service);
    let mut reload = service.begin("reload");
    service.log_with("until");
    let stop = service.begin("stop");
    wait_until("the stop", || {
        published_at(&service, SERVED).is_some_and(|number| report(number).contains("state=stopping"))
    });
    assert!(reload.try_wait().unwrap().is_none(), "the body is still at it");
    service.go();
    Answer::from(reload).says(0, &reloaded(daemon));
    Answer::from(stop).says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn each_reload_gets_the_answer_of_one_that_began_after_it() {
    for service in forms("event; until; unloaded old; serve") {
        let daemon = service.start();
        await_taker(&service);
        let first = service.begin("reload");
        service.log_with("until");
        let others: Vec<_> = (0..3).map(|_| service.begin("reload")).collect();
        let sleeps =
            |client: u32| Process(client.try_into().expect("a pid")).status("State").starts_with('S');
        wait_until("the other requests", || others.iter().all(|other| sleeps(other.id())));
        service.go();
        // The failure is older than the requests of the others.
        for other in others {
            Answer::from(other).says(0, &reloaded(daemon));
        }
        assert!(Answer::from(first).status.code().is_some_and(|code| code <= 1));
        assert!(service.log_text().contains("failed to reload: cannot read: old\n"));
        service.stop(daemon);
    }
}

#[test]
fn a_client_that_cannot_reach_the_channel_does_not_wait() {
    if !root_or_skip() {
        return;
    }
    for service in forms("event; until; event") {
        let daemon = service.start();
        await_taker(&service);
        let mut elsewhere = service.command("unshare");
        elsewhere.arg("-n").arg(async_programs::program("service")).arg("reload");
        Answer::of(elsewhere).says(0, &reloaded(daemon));
        service.log_with("until");
        service.go();
        service.stop(daemon);
    }
}

#[test]
fn a_body_that_reloads_itself_does_not_wait_for_itself() {
    let service = Service::new("event 1; act reload; event; print after; wait");
    let daemon = service.start();
    service.log_with("after");
    service.stop(daemon);
}

#[test]
fn a_supervised_body_that_reloads_itself_does_not_wait_for_itself() {
    let subject =
        Subject::new().key("respawn", "on-failure").graceful("act reload; event; print after; wait");
    let daemon = subject.start();
    subject.log_with("after");
    assert_ne!(body_of(&subject), daemon);
    subject.act("stop");
}
