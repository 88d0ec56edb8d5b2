//! The supervisor between the caller and a body that may have several lives: what it passes on, what it keeps, and what
//! becomes of the body's process.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::async_programs::{self, Service};
use common::strace::Strace;
use common::systemd::{Manager, Unit};
use common::{
    Answer, Process, Subject, is_long, program, root_or_skip, strace_or_skip, tool_or_skip, wait_until,
};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::respawn::{body_of, respawning, respawns, status};

/// A daemon that is supervised only because its children end with its body.
fn ending_children() -> Subject {
    Subject::new().key("children", "end")
}

#[track_caller]
fn stop(subject: &Subject, daemon: Process) {
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// A supervised daemon in the foreground, in a process group of its own.
struct Run {
    child: Child,
    process: Process,
}

impl Run {
    fn of(subject: &Subject) -> Self {
        let child = subject.action("run").process_group(0).spawn().expect("the subject runs");
        let process = Process(child.id().try_into().expect("a pid"));
        wait_until("the daemon", || subject.pid_text() == format!("{process}\n"));
        Self { child, process }
    }

    /// Sends a signal as a terminal does.
    fn signal_all(&self, signal: Signal) {
        killpg(Pid::from_raw(self.process.0), signal).expect("a process group");
    }

    #[track_caller]
    fn answer(self) -> Answer {
        Answer::from(self.child)
    }
}

#[test]
fn a_stop_reaches_a_body_with_a_context() {
    for subject in [respawning(), ending_children(), respawning().key("stop_signal", "SIGUSR1")] {
        let subject = subject.graceful("print up; wait; print ended; fail x");
        let daemon = subject.start();
        subject.log_with("up");
        let body = body_of(&subject);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert!(!body.is_alive() && !daemon.is_alive());
        assert_eq!(subject.processes(), []);
        assert_eq!(subject.log_text(), "up\nstopping true\nended\nsubject: x: the cause\n");
    }
}

#[test]
fn a_stop_ends_a_body_without_a_context() {
    for subject in [respawning(), ending_children(), respawning().key("stop_signal", "SIGUSR1")] {
        let subject = subject.body("print up; park");
        let daemon = subject.start();
        subject.log_with("up");
        let body = body_of(&subject);
        stop(&subject, daemon);
        assert!(!body.is_alive() && !daemon.is_alive());
        assert_eq!(subject.log_text(), "up\n");
    }
}

#[test]
fn a_sigterm_of_another_program_stops_too() {
    let subject = respawning().graceful("print up; wait; print ended");
    let daemon = subject.start();
    subject.log_with("up");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), 0);
    subject.left_nothing();
    assert_eq!(subject.log_text(), "up\nstopping true\nended\n");
}

#[test]
fn a_body_that_ignores_the_stop_is_killed() {
    for make in [respawning, ending_children] {
        for script in ["block SIGTERM; print up; park", "print up; park"] {
            let subject = make().key("stop_timeout", "200");
            let subject =
                if script.starts_with("block") { subject.body(script) } else { subject.graceful(script) };
            // The supervisor and the action count the same time, and each may be the first.
            for _ in 0..5 {
                let daemon = subject.start();
                wait_until("the body", || subject.log_text().ends_with("up\n"));
                let body = body_of(&subject);
                let expected =
                    format!("subject: killed (pid {daemon}): did not exit within 200ms of SIGTERM");
                subject.act("stop").says(0, &expected);
                body.wait_until_gone();
                subject.left_nothing();
                fs::write(subject.log(), "").unwrap();
            }
        }
    }
}

#[test]
fn a_stop_without_the_action_kills_after_the_timeout() {
    let subject = respawning().key("stop_timeout", "300").body("block SIGTERM; print up; park");
    let daemon = subject.start();
    subject.log_with("up");
    let body = body_of(&subject);
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    daemon.wait_until_gone();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(!body.is_alive());
    subject.left_nothing();
    let line = "subject: killing the body, which has not ended within 300ms of the stop\n";
    assert_eq!(subject.log_text(), format!("up\n{line}"));
}

#[test]
fn a_restart_replaces_both_processes() {
    let subject = respawning().graceful("print up; wait");
    let daemon = subject.start();
    let body = body_of(&subject);
    let answer = subject.act("restart");
    let next = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {next})"));
    assert_ne!(next, daemon);
    assert!(!daemon.is_alive() && !body.is_alive());
    assert_ne!(body_of(&subject), body);
    stop(&subject, next);
}

#[test]
fn a_reload_reopens_the_log_in_both_processes_and_reaches_the_body() {
    let subject = respawning();
    let (once, go) = (subject.path("once"), subject.path("go"));
    for graceful in [false, true] {
        let subject = respawning();
        let replace = |text: String| {
            text.replace(once.parent().unwrap().to_str().unwrap(), subject.path("").to_str().unwrap())
        };
        let (once, go) = (replace(once.display().to_string()), replace(go.display().to_string()));
        let wait = if graceful { "event" } else { "until" };
        let script =
            format!("once {once} {wait} {go}; once {once}2 print heard; once {once}3 fail x; print lived");
        let subject = if graceful {
            subject.graceful(format!("print up; {script}; wait"))
        } else {
            subject.body(format!("print up; {script}; park"))
        };
        let daemon = subject.start();
        subject.log_with("up");
        body_of(&subject);
        fs::rename(subject.log(), subject.path("old")).unwrap();
        let answer = subject.act("reload");
        if graceful {
            answer.fails(
                1,
                &format!("subject: failed to reload: the body of pid {daemon} ended before it had reloaded"),
            );
        } else {
            answer.says(0, &format!("subject: reloaded (pid {daemon})"));
        }
        wait_until("the new log", || subject.log().exists());
        // The body's process reopens it after the supervisor.
        let body = body_of(&subject);
        wait_until("the body's new log", || body.link("fd/1") == subject.log() || !body.is_alive());
        fs::write(&go, "").unwrap();
        let log = subject.log_with("lived");
        assert!(log.contains("heard\n") && log.contains("Reload") == graceful, "{log}");
        assert_eq!(respawns(&log), [("20ms", "exit 1: x: the cause")], "{log}");
        let old = fs::read_to_string(subject.path("old")).unwrap();
        assert!(old.starts_with("up\n") && respawns(&old).is_empty() && !old.contains("heard"), "{old}");
        // The next life has the new log from its beginning.
        stop(&subject, daemon);
    }
}

#[test]
fn other_signals_are_passed_on_to_the_body() {
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGWINCH] {
        let subject = respawning().body(format!("hook {signal}; park"));
        let daemon = subject.start();
        subject.log_with("hooking");
        let body = body_of(&subject);
        daemon.signal(signal);
        subject.log_with("hooked");
        assert_eq!(body_of(&subject), body);
        stop(&subject, daemon);
    }
}

#[test]
fn the_body_has_the_signals_of_a_daemon_without_a_supervisor() {
    let signals = |process: Process| ["SigBlk", "SigIgn", "SigCgt"].map(|field| process.status(field));
    for graceful in [false, true] {
        let make = |subject: Subject| {
            if graceful { subject.graceful("print up; wait") } else { subject.body("print up; park") }
        };
        let (plain, subject) = (make(Subject::new()), make(respawning()));
        let unsupervised = plain.start();
        plain.log_with("up");
        subject.start();
        subject.log_with("up");
        assert_eq!(signals(body_of(&subject)), signals(unsupervised));
        let body = body_of(&subject);
        assert_eq!(body.session(), body.parent().unwrap().session());
    }
}

#[test]
fn the_supervisor_keeps_the_callers_identity_and_the_body_takes_on_its_own() {
    if !root_or_skip() {
        return;
    }
    let subject = respawning().key("user", "nobody").key("group", "daemon");
    let jail = subject.path("jail");
    fs::create_dir(&jail).unwrap();
    fs::set_permissions(&jail, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let subject = subject.key("chroot", &jail);
    let subject = subject.body("once /one fail x; once /two raise SIGKILL; directory; print lived; park");
    let daemon = subject.start();
    let log = subject.log_with("lived");
    let expected = [("20ms", "exit 1: x: the cause"), ("40ms", "killed by SIGKILL")];
    assert_eq!(respawns(&log), expected, "{log}");
    assert!(log.contains("\n/\n"), "{log}");
    let body = body_of(&subject);
    assert_eq!(body.status("Uid"), ["65534"; 4].join("\t"));
    assert_eq!(body.status("Gid"), ["1"; 4].join("\t"));
    assert_eq!(body.status("CapEff"), "0000000000000000");
    assert_eq!(body.link("root"), jail);
    let own = Process(std::process::id().try_into().unwrap());
    for field in ["Uid", "Gid", "Groups", "CapEff"] {
        assert_eq!(daemon.status(field), own.status(field), "{field}");
    }
    assert_eq!(daemon.link("root"), own.link("root"));
    assert_eq!(daemon.link("cwd").to_str(), Some("/"));
    stop(&subject, daemon);
}

#[test]
fn a_sigkill_of_the_supervisor_kills_the_body_and_the_next_start_works_at_once() {
    let rounds = if is_long() { 300 } else { 20 };
    for user in [None, Some("nobody")] {
        if user.is_some() && !root_or_skip() {
            return;
        }
        let subject = respawning().open_to_all();
        let claim = subject.path("claim");
        fs::write(&claim, "").unwrap();
        fs::set_permissions(&claim, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let subject = subject.body(format!("claim {}; print up; park", claim.display()));
        let subject = user.into_iter().fold(subject, |subject, user| subject.key("user", user));
        for _ in 0..rounds {
            let daemon = subject.start();
            let body = body_of(&subject);
            daemon.signal(Signal::SIGKILL);
            // Until then it has the lock.
            daemon.wait_until_gone();
            let next = subject.start();
            // The kernel frees its lock a little before it is gone.
            body.wait_until_gone();
            assert_ne!(body_of(&subject), body);
            next.signal(Signal::SIGKILL);
            next.wait_until_gone();
            let next = subject.start();
            stop(&subject, next);
        }
        assert!(!claim.with_extension("overlap").exists());
    }
}

#[test]
fn a_sigkill_of_the_supervisor_kills_a_suspended_body() {
    let subject = respawning();
    let daemon = subject.start();
    let body = body_of(&subject);
    body.signal(Signal::SIGSTOP);
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    let next = subject.start();
    body.wait_until_gone();
    stop(&subject, next);
}

#[test]
fn a_sigkill_of_the_supervisor_leaves_a_stale_pidfile() {
    let subject = respawning();
    let daemon = subject.start();
    let body = body_of(&subject);
    daemon.signal(Signal::SIGKILL);
    body.wait_until_gone();
    let stale = format!("subject: not running (stale pidfile {})", subject.pidfile().display());
    subject.act("status").says(1, &stale);
    subject.act("stop").says(0, "subject: not running");
}

#[test]
fn actions_inside_the_body_concern_its_daemon() {
    let subject = respawning();
    let once = subject.path("once");
    let script =
        format!("once {} act start; act status; act stop; act restart; print end; park", once.display());
    let subject = subject.body(script);
    let daemon = subject.start();
    let log = subject.log_with("end");
    let lines: Vec<_> = log.lines().collect();
    let body = body_of(&subject);
    assert_eq!(lines[0], format!("start: subject: already running (pid {daemon})"));
    assert!(lines[1].starts_with(&format!("status: subject: running (pid {daemon}, up ")), "{log}");
    for (line, action) in [(lines[2], "stop"), (lines[3], "restart")] {
        assert!(line.starts_with(&format!("{action}: subject: ")), "{log}");
        assert!(!line.contains("stopped") && !line.contains("restarted"), "{log}");
    }
    assert_eq!(body_of(&subject), body, "nothing has ended it");
    stop(&subject, daemon);
}

#[test]
fn run_supervises_and_ends_with_the_last_code() {
    for (end, code, lives) in [("code 9", 9, 3), ("fail x", 1, 3), ("panic x", 101, 3), ("code 0", 0, 1)] {
        // A life of more than three seconds would begin the count anew.
        let subject = respawning().key("respawn_delay", "50").key("respawn_limit", "3");
        let subject = subject.body(format!("print life; {end}"));
        let answer = subject.act("run");
        assert_eq!(answer.status.code(), Some(code), "{answer:?}");
        assert_eq!(answer.stdout, "life\n".repeat(lives));
        assert_eq!(respawns(&answer.stderr).len(), lives - 1, "{answer:?}");
        assert!(answer.stderr.contains("giving up after 3 failures: ") == (lives == 3), "{answer:?}");
        if code == 0 { subject.left_nothing() } else { subject.left_a_reason() }
    }
}

#[test]
fn a_run_that_fails_before_it_is_ready_says_why_and_respawns_nothing() {
    let reporting = respawning().graceful("print life; fail x").key("wait_ready", "20000");
    let answer = reporting.act("run");
    assert_eq!((answer.status.code(), &*answer.stdout), (Some(1), "life\n"), "{answer:?}");
    assert!(answer.stderr.contains("subject: x: the cause\n"), "{answer:?}");
    let setup = respawning().every(10, "").key("setup", "fail no state");
    let answer = setup.act("run");
    assert_eq!((answer.status.code(), &*answer.stdout), (Some(1), ""), "{answer:?}");
    assert_eq!(answer.stderr.matches("no state: the cause").count(), 1, "told once: {answer:?}");
    for subject in [reporting, setup] {
        subject.left_nothing();
    }
}

#[test]
fn a_sigterm_ends_a_run_as_one_without_a_supervisor() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let subject = respawning();
        let run = Run::of(&subject);
        body_of(&subject);
        run.process.signal(signal);
        let answer = run.answer();
        assert_eq!(answer.signal(), Some(signal), "{answer:?}");
        subject.left_nothing();
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        for end in ["code 0", "code 5"] {
            let subject = respawning().graceful(format!("wait; {end}"));
            let run = Run::of(&subject);
            body_of(&subject);
            run.process.signal(signal);
            let answer = run.answer();
            let code = if end == "code 0" { 0 } else { 5 };
            assert_eq!((answer.status.code(), &*answer.stdout), (Some(code), "stopping true\n"));
            assert_eq!(subject.processes(), []);
        }
    }
}

#[test]
fn ctrl_c_reaches_both_processes_and_counts_once() {
    let subject = respawning();
    let note = subject.path("note");
    let subject = subject.key("open", &note).graceful("wait; note stopping; sleep 300; print ended");
    let run = Run::of(&subject);
    body_of(&subject);
    run.signal_all(Signal::SIGINT);
    let answer = run.answer();
    assert_eq!((answer.status.code(), &*answer.stdout), (Some(0), "stopping true\nended\n"), "{answer:?}");
    subject.left_nothing();
    // A plain body.
    let subject = respawning();
    let run = Run::of(&subject);
    body_of(&subject);
    run.signal_all(Signal::SIGINT);
    let answer = run.answer();
    assert_eq!((answer.signal(), &*answer.stderr), (Some(Signal::SIGINT), ""));
    subject.left_nothing();
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let subject = respawning();
    let note = subject.path("note");
    let subject = subject.key("open", &note).graceful("wait; note stopping; park");
    let run = Run::of(&subject);
    body_of(&subject);
    run.signal_all(Signal::SIGINT);
    wait_until("the body to hear", || fs::read_to_string(&note).unwrap() == "stopping\n");
    assert!(run.process.is_alive());
    run.signal_all(Signal::SIGINT);
    let answer = run.answer();
    assert_eq!(answer.signal(), Some(Signal::SIGINT), "{answer:?}");
    subject.left_nothing();
}

#[test]
fn ctrl_c_during_a_pause_ends_at_once() {
    let subject = respawning().key("respawn_delay", "3600000").body("fail x");
    let run = Run::of(&subject);
    wait_until("the pause", || subject.act("status").stdout.contains("waiting"));
    run.signal_all(Signal::SIGINT);
    assert_eq!(run.answer().status.code(), Some(0));
    subject.left_nothing();
}

#[test]
fn one_process_can_run_again_and_gets_its_signals_back() {
    let subject = respawning().body("print life; exit 0");
    let mut caller = subject.converse();
    caller.say("status");
    let state = || {
        let signals = ["SigCgt", "SigBlk", "SigIgn"].map(|field| caller_status(&subject, field));
        (signals, caller_of(&subject).descriptors())
    };
    let before = state();
    for _ in 0..3 {
        assert_eq!(caller.say("run").trim(), "life");
        assert_eq!(caller.hear().trim(), "Finished { code: 0 }");
        assert_eq!(state(), before);
        assert_eq!(caller.say("status").trim(), "NotRunning subject: not running");
    }
    caller.end();
}

fn caller_of(subject: &Subject) -> Process {
    subject.processes()[0]
}

fn caller_status(subject: &Subject, field: &str) -> String {
    caller_of(subject).status(field)
}

#[test]
fn an_idle_supervisor_makes_no_call() {
    if !strace_or_skip() {
        return;
    }
    let time = Duration::from_secs(if is_long() { 60 } else { 3 });
    for subject in
        [respawning(), ending_children(), respawning().key("respawn_delay", "3600000").body("fail x")]
    {
        let daemon = subject.start();
        if subject.command("true").get_envs().any(|(_, value)| value.is_some_and(|value| value == "fail x")) {
            wait_until("the pause", || subject.act("status").stdout.contains("waiting"));
        } else {
            body_of(&subject);
        }
        // It has yet to turn away the client that has just asked.
        wait_until("a supervisor that sleeps", || {
            let before = daemon.status("voluntary_ctxt_switches");
            sleep(Duration::from_millis(200));
            daemon.status("voluntary_ctxt_switches") == before
        });
        let trace = subject.path("trace");
        let strace = Strace::attach(daemon, &trace, None);
        sleep(time);
        let calls = strace.detach();
        let text = fs::read_to_string(&trace).unwrap();
        // The call in which it sleeps does not return.
        let ended = calls.calls().iter().filter(|call| call.line.contains(") = ")).count();
        assert_eq!(ended, 0, "{text}");
        stop(&subject, daemon);
    }
}

#[test]
fn the_supervisor_has_little_memory_of_its_own() {
    let private = |process: Process| -> u64 {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("Private_"));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
    };
    let plain = Subject::new().body("print up; park");
    let unsupervised = plain.start();
    plain.log_with("up");
    let subject = respawning().body("print up; park");
    let supervisor = subject.start();
    subject.log_with("up");
    body_of(&subject);
    let (own, least) = (private(supervisor), private(unsupervised));
    assert!(own * 10 <= least * 12, "{own} kB, and {least} kB without a supervisor");
}

/// Lists the children of a process that nobody has reaped.
fn zombies(parent: Process) -> Vec<Process> {
    let children = parent.children();
    let children = children.split(' ').filter_map(|pid| pid.parse().ok()).map(Process);
    children.filter(|child| !child.is_alive()).collect()
}

/// The body leaves an orphan that ends, and says so.
const ORPHAN: &str = "print up; fork fork print orphan; print left; park";

#[test]
fn the_supervisor_reaps_orphans() {
    let subject = ending_children().body(ORPHAN);
    let daemon = subject.start();
    subject.log_with("left");
    subject.log_with("orphan");
    let body = body_of(&subject);
    wait_until("the end of the orphan", || daemon.children().trim() == body.to_string());
    assert_eq!(zombies(daemon), []);
    stop(&subject, daemon);
}

#[test]
fn the_first_process_of_a_container_reaps_orphans() {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !root_or_skip() || !tool_or_skip(&[&unshare[..], &["true"]].concat()) {
        return;
    }
    for subject in [ending_children(), respawning()] {
        let subject = subject.body(ORPHAN).without("stdout");
        let log = fs::File::create(subject.log()).unwrap();
        let container = subject.wrapped(&unshare, "run").stdout(log).spawn().unwrap();
        subject.log_with("left");
        subject.log_with("orphan");
        assert_eq!(subject.pid_text(), "1\n");
        let first = *subject.processes().iter().min_by_key(|process| process.0).unwrap();
        wait_until("the end of the orphan", || {
            zombies(first).is_empty() && first.children().split_whitespace().count() == 1
        });
        first.signal(Signal::SIGTERM);
        let answer = Answer::from(container);
        assert_ne!(answer.status.code(), Some(1), "{answer:?}");
        subject.left_nothing();
    }
}

#[test]
fn a_later_start_is_refused_while_the_body_lives() {
    let subject = respawning();
    let daemon = subject.start();
    for action in ["start", "run"] {
        subject.act(action).fails(1, &format!("subject: already running (pid {daemon})"));
    }
    subject.act("ensure").says(0, &format!("subject: already running (pid {daemon})"));
    let text = status(&subject);
    assert_eq!(text, format!("subject: running (pid {daemon}, up T; body {} up T)", body_of(&subject)));
    stop(&subject, daemon);
}

#[test]
fn while_a_body_lives_its_daemon_does_not_count_as_gone() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "4194304\n").unwrap();
    // The process of a supervised body locks this byte, and may outlive its supervisor for a moment.
    let mut body = Command::new(program("locker"));
    body.arg(subject.pidfile()).args(["write", "3", "1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut body = body.spawn().expect("the locker runs");
    let mut word = [0];
    body.stdout.as_mut().unwrap().read_exact(&mut word).expect("the lock is taken");
    for (action, code) in [("status", 4), ("start", 1), ("stop", 1), ("ensure", 1)] {
        let answer = subject.act(action);
        assert_eq!(answer.status.code(), Some(code), "{answer:?}");
        assert!(answer.stderr.contains("the kernel cannot name"), "{answer:?}");
        assert_eq!(subject.pid_text(), "4194304\n");
    }
    drop(body.stdin.take());
    body.wait().unwrap();
    let daemon = subject.start();
    stop(&subject, daemon);
}

#[test]
fn a_launcher_that_goes_meanwhile_takes_both_processes_along() {
    for (key, body) in [("wait_ready", "print up; wait"), ("wait_alive", "print up; wait")] {
        for signal in [Signal::SIGINT, Signal::SIGKILL] {
            let subject = respawning().graceful(body).key(key, "20000");
            let mut start = subject.action("start").stderr(Stdio::piped()).spawn().unwrap();
            subject.log_with("up");
            Process(start.id().try_into().unwrap()).signal(signal);
            start.wait().unwrap();
            subject.leaves_nothing();
            assert_eq!(respawns(&subject.log_text()), []);
        }
    }
}

/// Returns the unit of a supervised daemon that notifies systemd.
fn notify(service: &Service) -> Unit {
    let program = async_programs::program("service").display();
    Unit::new("supervised", service)
        .with("Type=notify")
        .with("NotifyAccess=main")
        .with("Restart=no")
        .with(format!("ExecStart={program} run"))
        .with(format!("ExecStop={program} stop"))
        .with(format!("ExecReload={program} reload"))
}

const RUNS: &str = "active/running success";

/// Waits until the file has so many lines like this.
fn has_lines(unit: &Unit, line: &str, count: usize) -> bool {
    unit.output().lines().filter(|other| *other == line).count() >= count
}

#[test]
fn systemd_runs_a_supervised_daemon() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("").waiting(30_000).key("respawn", "on-failure").key("respawn_delay", "50");
    let service = service.until("print up; until; ready; print ready; serve");
    let unit = notify(&service);
    systemd.install(&unit);
    systemd.does("systemctl --user start --no-block supervised");
    systemd.comes_to_see(&unit, "activating/start success");
    wait_until("the body", || has_lines(&unit, "up", 1));
    systemd.sees(&unit, "activating/start success");
    service.go();
    systemd.comes_to_see(&unit, RUNS);
    let daemon = systemd.main_pid(&unit);
    assert_eq!(service.pid_text(), format!("{daemon}\n"));
    wait_until("readiness", || has_lines(&unit, "ready", 1));
    systemd.does("systemctl --user reload supervised");
    systemd.comes_to_see(&unit, RUNS);
    // The body's death is not the daemon's, and the next life is ready again.
    let program = async_programs::program("service").display().to_string();
    let status = format!("env {} {program} status", unit.variables());
    let text = systemd.does(&status);
    let body = text.split_once("; body ").unwrap().1.split(' ').next().unwrap().to_owned();
    systemd.does(&format!("kill -KILL {body}"));
    wait_until("the next life", || has_lines(&unit, "ready", 2));
    assert_eq!(respawns(&unit.output()).len(), 1, "{}", unit.output());
    systemd.comes_to_see(&unit, RUNS);
    assert_eq!(systemd.main_pid(&unit), daemon);
    let text = systemd.does(&status);
    assert!(text.contains(", respawned 1 time, last ") && text.contains("killed by SIGKILL"), "{text}");
    systemd.does("systemctl --user reload supervised");
    systemd.comes_to_see(&unit, RUNS);
    systemd.does("systemctl --user stop supervised");
    systemd.sees(&unit, "inactive/dead success");
    assert_eq!(systemd.main_pid(&unit), Process(0));
    assert_eq!(service.processes(), []);
    assert!(!service.pidfile().exists());
    systemd.complains(&unit, &[]);
}

#[test]
fn systemds_own_signal_stops_a_supervised_daemon() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    for (form, body) in [("graceful", "serve"), ("plain", "park"), ("repeat", "")] {
        let service = Service::new(body).form(form).key("every", "3600000").key("respawn", "always");
        let unit = notify(&service).with("ExecStop=");
        systemd.install(&unit);
        systemd.does("systemctl --user start supervised");
        systemd.sees(&unit, RUNS);
        assert_eq!(service.pid_text(), format!("{}\n", systemd.main_pid(&unit)));
        systemd.does("systemctl --user reload supervised");
        systemd.comes_to_see(&unit, RUNS);
        systemd.does("systemctl --user stop supervised");
        systemd.sees(&unit, "inactive/dead success");
        assert_eq!(service.processes(), []);
        assert!(!service.pidfile().exists());
    }
    systemd.complains(&notify(&Service::new("")), &[]);
}

#[test]
fn the_watchdog_is_fed_in_a_life_and_in_a_pause() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    for body in ["wait", "fail x"] {
        let service = Service::new(body).key("respawn", "on-failure").key("respawn_delay", "3600000");
        // Long enough for a busy machine. The test waits for several keep-alives.
        let unit = notify(&service).with("WatchdogSec=2s");
        systemd.install(&unit);
        systemd.does("systemctl --user start supervised");
        let daemon = systemd.main_pid(&unit);
        for _ in 0..2 {
            let last = systemd.show(&unit, "WatchdogTimestampMonotonic");
            wait_until("a sign of life", || systemd.show(&unit, "WatchdogTimestampMonotonic") != last);
        }
        systemd.sees(&unit, RUNS);
        assert_eq!(systemd.main_pid(&unit), daemon);
        systemd.does("systemctl --user stop supervised");
        systemd.sees(&unit, "inactive/dead success");
    }
    systemd.complains(&notify(&Service::new("")), &[]);
}

#[test]
fn the_watchdog_ends_a_body_that_hangs() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("pause 3600000").key("respawn", "on-failure").key("respawn_delay", "50");
    let unit = notify(&service).with("WatchdogSec=300ms").with("LimitCORE=0").with("TimeoutAbortSec=5s");
    systemd.install(&unit);
    systemd.does("systemctl --user start supervised");
    systemd.comes_to_see(&unit, "failed/failed watchdog");
    assert_eq!(systemd.main_pid(&unit), Process(0));
    assert_eq!(service.processes(), []);
}

#[test]
fn a_supervised_daemon_in_the_background_survives_its_caller() {
    let subject = respawning().graceful("print up; wait");
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" start >/dev/null 2>&1 </dev/null"]).arg(common::program("subject"));
    command.envs(subject.command("true").get_envs().filter_map(|(key, value)| Some((key, value?))));
    assert!(command.status().unwrap().success());
    subject.log_with("up");
    let daemon = body_of(&subject).parent().unwrap();
    stop(&subject, daemon);
}
