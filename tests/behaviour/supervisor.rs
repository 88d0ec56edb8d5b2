//! What `run` reports to the service manager on `$NOTIFY_SOCKET`, and when.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::async_programs::{self, Service};
use common::notice::unstamped;
use common::notify_socket::{Manager, stopping_within};
use common::{Answer, Subject, wait_until};
use nix::sys::signal::Signal;

use crate::reloading::await_taker;

#[test]
fn a_body_with_wait_ready_says_when_it_is_ready() {
    let service = Service::new("").waiting(20_000).until("until; ready; ready; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    service.log_with("until");
    manager.heard_nothing();
    service.go();
    assert_eq!(manager.hears(), "READY=1");
    run.process.signal(Signal::SIGTERM);
    let told: Vec<_> =
        std::iter::repeat_with(|| manager.hears()).take_while(|it| *it != stopping_within(10)).collect();
    assert!(told.iter().all(|it| it == "READY=1"), "{told:?}");
    assert_eq!(run.answer().status.code(), Some(0));
    manager.heard_nothing();
}

#[test]
fn without_wait_ready_the_body_begins_ready() {
    for form in ["plain", "graceful"] {
        let service = Service::new("").form(form).until("until");
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        service.log_with("until");
        assert_eq!(manager.hears(), "READY=1", "{form}");
        manager.heard_nothing();
        service.go();
        assert_eq!(run.answer().status.code(), Some(0));
        manager.hears_of_a_stop();
        manager.heard_nothing();
    }
}

#[test]
fn a_stop_is_told_once_and_before_the_body_has_ended() {
    let service = Service::new("").until("wait; stopping; wait; until");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    run.process.signal(Signal::SIGTERM);
    service.log_with("until");
    manager.hears_of_a_stop();
    assert!(run.process.is_alive());
    service.go();
    assert_eq!(run.answer().status.code(), Some(0));
    manager.heard_nothing();
}

#[test]
fn a_body_that_fails_before_it_is_ready_never_says_so() {
    let service = Service::new("fail no disk").waiting(20_000);
    let manager = Manager::of(&service);
    let mut command = service.action("run");
    let answer = {
        manager.environment(&mut command);
        common::Answer::of(command)
    };
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    manager.hears_of_a_stop();
    manager.heard_nothing();
}

#[test]
fn a_reload_is_told_with_its_time_and_then_that_it_is_done() {
    for body in ["serve", "threads 1 serve"] {
        let service = Service::new(body);
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[]);
        assert_eq!(manager.hears(), "READY=1");
        await_taker(&service);
        for _ in 0..3 {
            service.act("reload");
            manager.hears_of_a_reload();
            assert_eq!(manager.hears(), "READY=1");
        }
        service.stop(run.process);
        manager.hears_of_a_stop();
        manager.heard_nothing();
    }
}

#[test]
fn a_reload_is_done_when_the_body_comes_back() {
    let service = Service::new("").until("event; until; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    await_taker(&service);
    let reload = service.begin("reload");
    service.log_with("until");
    manager.hears_of_a_reload();
    manager.heard_nothing();
    service.go();
    assert_eq!(manager.hears(), "READY=1");
    assert_eq!(Answer::from(reload).status.code(), Some(0));
    service.stop(run.process);
}

#[test]
fn a_reload_that_the_body_looks_for_later_is_told_again() {
    let service = Service::new("").until("until; reloading; reloading; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    service.log_with("until");
    service.act("reload");
    // The body has never asked for reloads so far.
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    service.go();
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
    manager.heard_nothing();
}

#[test]
fn a_reload_of_a_repeating_body_that_cant_hear_of_it_is_told_too() {
    let service = Service::new("print tick").form("plain repeat").key("every", "3600000");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    service.act("reload");
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
    manager.heard_nothing();
}

#[test]
fn an_async_bodys_reload_is_told_too() {
    let service = Service::variant("multi_thread");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    await_taker(&service);
    service.act("reload");
    manager.hears_of_a_reload();
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
    manager.heard_nothing();
}

#[test]
fn the_watchdog_is_fed_by_a_wait() {
    for body in ["wait", "event", "threads 1 wait"] {
        let service = Service::new(body);
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[("WATCHDOG_USEC", "20000")]);
        assert_eq!(manager.hears(), "READY=1");
        for _ in 0..5 {
            assert_eq!(manager.hears(), "WATCHDOG=1", "{body}");
        }
        service.stop(run.process);
    }
}

#[test]
fn the_watchdog_is_fed_by_an_async_wait() {
    for variant in ["multi_thread", "current_thread"] {
        let service = Service::variant(variant);
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[("WATCHDOG_USEC", "50000")]);
        let mut news: Vec<_> = (0..6).map(|_| manager.hears()).collect();
        let ready = news.iter().position(|news| news == "READY=1").expect("the body is ready");
        news.remove(ready);
        assert_eq!(news, ["WATCHDOG=1"; 5], "{variant}");
        service.stop(run.process);
    }
}

#[test]
fn the_watchdog_starves_while_a_runtime_hangs() {
    let service = Service::variant("hanging");
    let go = service.path("go");
    let service = service.key("go", go);
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[("WATCHDOG_USEC", "50000")]);
    assert_eq!([manager.hears(), manager.hears()], ["READY=1", "WATCHDOG=1"]);
    service.log_with("hanging");
    manager.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let more = manager.socket.recv(&mut [0; 100]);
    assert!(more.is_err(), "it is fed by a thread that the runtime hasn't got to");
    manager.socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    service.go();
    assert_eq!(manager.hears(), "WATCHDOG=1", "once it goes on");
    service.stop(run.process);
}

#[test]
fn the_watchdog_is_fed_by_the_pause_of_a_repeating_body() {
    for form in ["repeat", "plain repeat"] {
        let service = Service::new("print tick").form(form).key("every", "3600000");
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[("WATCHDOG_USEC", "20000")]);
        assert_eq!(manager.hears(), "READY=1");
        for _ in 0..5 {
            assert_eq!(manager.hears(), "WATCHDOG=1", "{form}");
        }
        service.stop(run.process);
    }
}

#[test]
fn the_watchdog_starves_while_a_run_hangs() {
    let service = Service::new("").form("repeat").key("every", "3600000").until("until");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[("WATCHDOG_USEC", "20000")]);
    assert_eq!(manager.hears(), "READY=1");
    service.log_with("until");
    assert_eq!(manager.hears(), "WATCHDOG=1", "the one before the run");
    manager.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let more = manager.socket.recv(&mut [0; 100]);
    assert!(more.is_err(), "it is fed during a run, which may hang");
    manager.socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    service.go();
    assert_eq!(manager.hears(), "WATCHDOG=1", "the one after it");
    service.stop(run.process);
}

#[test]
fn a_watchdog_that_makes_no_sense_isnt_fed() {
    // As sd_watchdog_enabled(3) reads it.
    for nonsense in ["0", "", "soon", "-1"] {
        let service = Service::new("print up; wait");
        let manager = Manager::of(&service);
        let run = manager.run(&service, &[("WATCHDOG_USEC", nonsense)]);
        service.log_with("up");
        assert_eq!(manager.hears(), "READY=1");
        run.process.signal(Signal::SIGTERM);
        manager.hears_of_a_stop();
        assert_eq!(run.answer().status.code(), Some(0));
        manager.heard_nothing();
    }
}

#[test]
fn a_watchdog_for_another_process_isnt_fed() {
    let service = Service::new("print up; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    service.log_with("up");
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
    manager.heard_nothing();
}

#[test]
fn a_socket_without_a_file_is_one_too() {
    use std::os::linux::net::SocketAddrExt;
    let service = Service::new("wait");
    let name = format!("daemonic-test-{}", service.folder().display()).replace('/', "-");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let manager = Manager { socket, path: format!("@{name}").into() };
    let run = manager.run(&service, &[]);
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
}

#[test]
fn a_manager_that_doesnt_listen_is_no_reason_to_fail() {
    let service = Service::new("print up; serve; print ended");
    let mut command = service.action("run");
    command.env("NOTIFY_SOCKET", service.path("no-such-socket")).env("WATCHDOG_USEC", "1000");
    let run = service.run_by(command);
    service.log_with("up");
    service.act("reload");
    service.stop(run.process);
    assert_eq!(run.answer().status.code(), Some(0));
    service.logs("up\nended\n");
}

#[test]
fn a_manager_that_doesnt_read_is_no_reason_to_hang() {
    let service = Service::new("print up; wait; print ended");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[("WATCHDOG_USEC", "200")]);
    service.log_with("up");
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    wait_until("a full queue", || sender.send_to(b"", &manager.path).is_err());
    service.stop(run.process);
    assert_eq!(run.answer().status.code(), Some(0));
}

#[test]
fn without_a_socket_nobody_is_told() {
    // No socket is opened at all.
    if !common::strace_or_skip() {
        return;
    }
    let service = Service::new("ready; wait 1; print up; wait");
    let trace = service.path("trace");
    let mut command = service.command("strace");
    command.args(["-f", "-e", "trace=socket,sendto,sendmsg", "-o"]).arg(&trace);
    command.arg(async_programs::program("service")).arg("run").env_remove("NOTIFY_SOCKET");
    let log = std::fs::File::create(service.log()).unwrap();
    let child = command.env("WATCHDOG_USEC", "1000").stdout(log).spawn().unwrap();
    service.log_with("up");
    let daemon = service.daemon();
    service.stop(daemon);
    common::Answer::from(child);
    let calls = std::fs::read_to_string(&trace).unwrap();
    assert!(!calls.contains("socket(") && !calls.contains("send"), "{calls}");
}

#[test]
fn the_background_daemon_tells_nobody() {
    // It is not the process that the manager has started.
    let service = Service::new("ready; print up; serve").waiting(20_000);
    let manager = Manager::of(&service);
    let mut command = service.action("start");
    manager.environment(&mut command).env("WATCHDOG_USEC", "1000");
    let daemon = common::Answer::of(command).started();
    service.log_with("up");
    service.act("reload");
    service.stop(daemon);
    manager.heard_nothing();
}

#[test]
fn the_child_of_a_body_doesnt_confuse_the_manager() {
    let service = Service::new("fork ready & print said; wait");
    let manager = Manager::of(&service);
    let run = manager.run(&service, &[]);
    service.log_with("said");
    assert_eq!(manager.hears(), "READY=1");
    service.stop(run.process);
    manager.hears_of_a_stop();
    wait_until("the end", || !run.process.is_alive());
    manager.heard_nothing();
}

/// The helper programs of [`Subject`] are built without the feature `systemd`.
#[test]
fn without_the_feature_a_manager_that_would_wait_is_told_of_in_one_line() {
    let subject = Subject::new().body("print out");
    let line = "subject: the service manager is not notified: NOTIFY_SOCKET is set, but this program is built \
                without the feature `systemd` of `daemonic`\n";
    for (address, stderr) in [("/run/systemd/notify", line), ("@name", line), ("", "")] {
        let mut command = subject.action("run");
        command.env("NOTIFY_SOCKET", address);
        let answer = Answer::of(command);
        assert_eq!((answer.stdout.as_str(), &*unstamped(&answer.stderr)), ("out\n", stderr), "{address:?}");
        assert_eq!(answer.status.code(), Some(0));
    }
    assert_eq!(subject.act("run").stderr, "");
}
