//! `wait_alive`: `start` returns when the body has lived so long, and fails with the body's reason.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::strace::{Strace, is_halted};
use common::{Answer, Process, Subject, strace_or_skip, wait_until};
use nix::sys::signal::Signal;

/// A time that no test lives through.
const LONG: &str = "20000";

#[test]
fn start_returns_when_the_time_is_over_and_not_before() {
    for body in ["print up; park", "print up; wait"] {
        for action in ["start", "restart"] {
            let subject = Subject::new().key("wait_alive", "300");
            let subject = if body.ends_with("wait") { subject.graceful(body) } else { subject.body(body) };
            let begin = Instant::now();
            let daemon = Answer::of(subject.action(action)).started();
            assert!(begin.elapsed() >= Duration::from_millis(300), "{action} {body}");
            assert_eq!(subject.log_text(), "up\n");
            subject.act("status").runs(daemon);
            subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
            subject.left_nothing();
        }
    }
}

#[test]
fn a_body_that_ends_by_then_fails_with_its_own_reason() {
    for (body, reason) in [
        ("fail no port is free", "no port is free: the cause"),
        ("panic no port is free", "panicked: no port is free"),
        ("exit 7", "exited before it was ready"),
        ("nothing", "returned before it was ready"),
        ("code 0", "returned before it was ready"),
        ("code 9", "returned before it was ready"),
        ("abort", "the daemon died before it was ready"),
    ] {
        let subject = Subject::new().key("wait_alive", LONG).body(body);
        subject.act("start").fails(1, &format!("subject: failed to start: {reason}"));
        subject.act("status").says(3, "subject: not running");
        subject.left_nothing();
    }
}

#[test]
fn a_run_that_fails_by_then_fails_the_start() {
    let subject = Subject::new().key("wait_alive", LONG).every(10, "first print up; fail at last");
    subject.act("start").fails(1, "subject: failed to start: at last: the cause");
    subject.left_nothing();
}

#[test]
fn a_body_that_ends_later_does_so_in_peace() {
    let subject = Subject::new().key("wait_alive", "50");
    let go = subject.path("go");
    let subject = subject.body(format!("print up; until {}; fail too late", go.display()));
    let daemon = subject.start();
    fs::write(go, "").unwrap();
    assert_eq!(daemon.exit_code(), 1);
    subject.log_with("subject: too late: the cause");
    subject.left_a_reason();
}

#[test]
fn the_end_of_the_launcher_is_no_cancellation_once_it_is_content() {
    let subject = Subject::new().key("wait_alive", "50").body("print up; park");
    let daemon = subject.start();
    // The channel is closed, and so is the signal that it sends.
    wait_until("the end of the channel", || daemon.connections() == 0);
    daemon.signal(Signal::SIGIO);
    subject.act("status").runs(daemon);
}

#[test]
fn a_time_that_is_over_before_the_daemon_watches_its_launcher_is_no_cancellation() {
    if !strace_or_skip() {
        return;
    }
    let body = |subject: Subject, body: &str| {
        let go = subject.path("go");
        subject.body(body.replace("GO", &go.display().to_string()))
    };
    for form in ["plain", "context", "repeating", "setup"] {
        let subject = Subject::new().key("wait_alive", "1");
        let subject = match form {
            "plain" => body(subject, "until GO; print lives; park"),
            "context" => body(subject.key("context", ""), "until GO; ready; print lives; wait"),
            "repeating" => body(subject.key("every", "20"), "first until GO; print lives"),
            _ => body(subject.key("every", "20").key("setup", "print set up"), "first until GO; print lives"),
        };
        // The daemon is slow after the launcher's first message. Rust 1.85 receives by `read`.
        let slowly = ["strace", "-f", "-o", "/dev/null", "-e", "inject=read,recvfrom:delay_exit=20000"];
        let mut start = subject.wrapped(&slowly, "start").stdout(Stdio::null()).spawn().unwrap();
        subject.log_with(&format!("until {}", subject.path("go").display()));
        let daemon = Process(subject.pid_text().trim().parse().unwrap());
        subject.act("status").runs(daemon);
        fs::write(subject.path("go"), "").unwrap();
        subject.log_with("lives");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        // strace ends with the daemon.
        start.wait().unwrap();
        subject.left_nothing();
    }
}

#[test]
fn a_body_that_is_ready_when_the_time_is_over_lives_on() {
    let subject = Subject::new().key("wait_alive", "50");
    let go = subject.path("go");
    // It does not hear that its launcher has stopped waiting.
    let subject = subject.graceful(format!("block SIGIO; until {}; ready; print lives; wait", go.display()));
    let daemon = subject.start();
    fs::write(go, "").unwrap();
    subject.log_with("lives");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// Starts a daemon whose body fails, and suspends the daemon at a call while it notices that, until `start` has returned
/// because the time was over.
fn that_ends_when_the_time_is_over(subject: Subject, call: &str) -> (Subject, Process) {
    let go = subject.path("go");
    let first = subject.path("first").display().to_string();
    let body = format!("once {first} until {}; once {first}2 fail at last; park", go.display());
    let subject = subject.key("wait_alive", "1500").body(body);
    let start = subject.action("start").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    daemon.signal(Signal::SIGSTOP);
    wait_until("the daemon to be suspended", || is_halted(daemon));
    let children = daemon.children();
    fs::write(&go, "").unwrap();
    if let Ok(body) = children.trim().parse() {
        wait_until("the end of the body", || Process(body).status("State").starts_with('Z'));
    }
    let strace = Strace::attach(daemon, &subject.path("trace"), Some(&format!("{call}:signal=STOP:when=1")));
    daemon.signal(Signal::SIGCONT);
    wait_until("the daemon to be suspended again", || strace.is_suspended());
    Answer::from(start).started();
    daemon.signal(Signal::SIGCONT);
    drop(strace);
    (subject, daemon)
}

#[test]
fn a_body_that_ends_when_the_time_is_over_is_respawned() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().key("respawn", "on-failure").key("respawn_delay", "1");
    let (subject, daemon) = that_ends_when_the_time_is_over(subject, "wait4");
    wait_until("the next life", || subject.act("status").stdout.contains("; body "));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn a_body_that_ends_when_the_time_is_over_leaves_its_reason() {
    if !strace_or_skip() {
        return;
    }
    // By this call it looks whether it has been released.
    let (subject, daemon) = that_ends_when_the_time_is_over(Subject::new(), "poll");
    assert_eq!(daemon.exit_code(), 1);
    subject.left_a_reason();
}

#[test]
fn a_launcher_that_goes_meanwhile_takes_the_daemon_along() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let subject = Subject::new().key("wait_alive", LONG).body("print up; park");
        let mut start = subject.action("start").stderr(Stdio::piped()).spawn().unwrap();
        subject.log_with("up");
        let launcher = Process(start.id().try_into().unwrap());
        let daemon = subject.processes().into_iter().find(|process| *process != launcher).unwrap();
        launcher.signal(signal);
        start.wait().unwrap();
        daemon.wait_until_gone();
        subject.left_nothing();
    }
}

#[test]
fn a_body_that_reports_that_it_is_ready_ends_the_wait() {
    let subject = Subject::new().key("wait_alive", LONG).graceful("ready; print up; wait");
    let daemon = subject.start();
    subject.log_with("up");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn it_is_refused_together_with_wait_ready() {
    let subject = Subject::new().key("wait_alive", "1").key("wait_ready", "1");
    for action in ["start", "stop", "restart", "reload", "run"] {
        subject.act(action).fails_naming(1, &["`wait_ready`", "`wait_alive`"]);
    }
    subject.act("status").fails_naming(4, &["`wait_ready`", "`wait_alive`"]);
    subject.left_nothing();
}

#[test]
fn it_has_no_effect_in_the_foreground() {
    let subject = Subject::new().key("wait_alive", LONG).body("print up; code 3");
    let answer = subject.act("run");
    assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(3), "up\n"));
}
