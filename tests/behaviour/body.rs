//! The end of a body ends the daemon: its exit status, its last message, its pidfile.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use common::notice::unstamped;
use common::{Answer, Process, Subject, build, wait_for, wait_until};
use nix::sys::signal::Signal;

#[test]
fn a_body_that_ends_well_takes_its_pidfile_with_it_and_any_has_its_exit_status() {
    for (body, code) in [
        ("code 0", 0),
        ("nothing", 0),
        ("code 9", 9),
        ("exit 7", 7),
        ("exit 0", 0),
        ("fail x", 1),
        ("panic x", 101),
    ] {
        let plain = Subject::new().body(body);
        let daemon = plain.start();
        assert_eq!(daemon.exit_code(), code, "{body}");
        has_left(&plain, code);
        let (expected, word) = if code == 0 { (3, "not running") } else { (1, "failed") };
        let answer = plain.act("status");
        assert_eq!(answer.status.code(), Some(expected), "{answer:?}");
        assert!(answer.stdout.contains(word), "{answer:?}");
        if body != "nothing" {
            let graceful = Subject::new().graceful(body);
            let daemon = graceful.start();
            assert_eq!(daemon.exit_code(), code, "{body} with a context");
            has_left(&graceful, code);
        }
    }
}

/// Fails unless a daemon has left no process, and a pidfile only if it has failed.
#[track_caller]
fn has_left(subject: &Subject, code: i32) {
    if code == 0 {
        subject.left_nothing();
    } else if code != 7 || cfg!(target_env = "gnu") {
        subject.left_a_reason();
    }
}

#[test]
fn the_whole_error_is_in_the_log() {
    let subject = Subject::new().body("fail the disk is full");
    assert_eq!(subject.start().exit_code(), 1);
    assert_eq!(subject.log_text(), "subject: the disk is full: the cause\n");
}

#[test]
fn a_panics_message_is_in_the_log() {
    let subject = Subject::new().body("panic all is lost");
    assert_eq!(subject.start().exit_code(), 101);
    let log = subject.log_text();
    assert!(log.contains("panicked") && log.contains("all is lost"), "{log}");
    assert_eq!(log.matches("all is lost").count(), 1, "{log}");
}

#[test]
fn errors_go_to_stderr_where_it_has_a_file_of_its_own() {
    let subject = Subject::new();
    let errors = subject.path("subject.err");
    let subject = subject.key("stderr", &errors).body("print out; fail x");
    subject.start().wait_until_gone();
    assert_eq!(subject.log_text(), "out\n");
    assert_eq!(unstamped(&fs::read_to_string(&errors).unwrap()), "subject: x: the cause\n");
}

#[test]
fn what_the_body_has_printed_without_a_newline_is_flushed() {
    for end in ["code 0", "exit 0", "fail x"] {
        let subject = Subject::new().body(format!("half almost; {end}"));
        subject.start().wait_until_gone();
        assert!(subject.log_text().contains("almost"), "{end}: {:?}", subject.log_text());
    }
}

#[test]
fn a_body_that_never_returns_is_stopped_like_any_other() {
    let subject = Subject::new().body("never");
    let daemon = subject.start();
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.killer(), Signal::SIGTERM);
    subject.left_nothing();
}

#[test]
fn a_plain_body_dies_of_the_signal_without_its_pidfile() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let subject = Subject::new();
        let daemon = subject.start();
        daemon.signal(signal);
        assert_eq!(daemon.killer(), signal);
        subject.left_nothing();
    }
}

#[test]
fn a_signal_right_after_the_start_is_not_lost() {
    for _ in 0..20 {
        let subject = Subject::new().graceful("wait");
        let daemon = subject.start();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.exit_code(), 0);
        subject.left_nothing();
    }
}

#[test]
fn a_crash_leaves_a_stale_file_and_its_signal() {
    let subject = Subject::new().body("abort");
    let daemon = subject.start();
    assert_eq!(daemon.killer(), Signal::SIGABRT);
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    subject.body("park").start();
}

#[test]
fn a_stack_overflow_is_told_in_the_log() {
    let subject = Subject::new().body("overflow");
    assert_eq!(subject.start().killer(), Signal::SIGABRT);
    let log = subject.log_text();
    assert!(log.contains("has overflowed its stack"), "{log}");
}

#[test]
fn a_child_that_the_body_forked_leaves_the_pidfile_alone_however_it_ends() {
    for (end, signal) in
        [("exit 3", None), ("panic x", None), ("park", Some(Signal::SIGTERM)), ("park", Some(Signal::SIGINT))]
    {
        let subject = Subject::new();
        let subject = subject.body(format!("fork {end}; park"));
        let daemon = subject.start();
        let child = forked(&subject);
        if let Some(signal) = signal {
            child.signal(signal);
        }
        wait_until("the child's end", || !child.is_alive());
        assert_eq!(subject.pid_text(), format!("{daemon}\n"), "{end}");
        subject.act("status").runs(daemon);
    }
}

#[test]
fn a_child_that_the_body_forked_dies_of_the_signal_it_gets() {
    // The test has adopted it, and so learns how it ended.
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for context in [false, true] {
            let subject = Subject::new();
            let script = "fork park; code 0";
            let subject = if context { subject.graceful(script) } else { subject.body(script) };
            let daemon = subject.start();
            let child = forked(&subject);
            assert_eq!(daemon.exit_code(), 0);
            child.signal(signal);
            assert_eq!(child.killer(), signal);
        }
    }
}

fn forked(subject: &Subject) -> Process {
    common::wait_for("a child", || {
        subject.log_text().lines().find_map(|line| line.strip_prefix("forked ")?.parse().ok()).map(Process)
    })
}

#[test]
fn a_child_that_lives_on_after_the_body_keeps_nobody_from_starting() {
    let subject = Subject::new().body("fork park; code 0");
    let first = subject.start();
    forked(&subject);
    assert_eq!(first.exit_code(), 0);
    subject.act("status").says(3, "subject: not running");
    let second = subject.body("park");
    let daemon = second.start();
    second.act("status").runs(daemon);
}

#[test]
fn the_library_prints_nothing_of_its_own() {
    let subject = Subject::new()
        .body("act start; act status; act reload; act stop; act restart; act nonsense; print end; park");
    subject.start();
    let log = subject.log_with("end");
    assert!(log.lines().all(|line| line == "end" || line.contains(": subject: ")), "{log}");
    assert_eq!(log.lines().count(), 7, "{log}");
}

#[test]
fn standard_input_can_be_a_file() {
    let subject = Subject::new();
    let input = subject.path("input");
    fs::write(&input, "text").unwrap();
    let subject = subject.key("stdin", &input);
    assert_eq!(subject.start().link("fd/0"), input);
}

#[test]
fn a_log_is_appended_to() {
    let subject = Subject::new().body("print new; park");
    fs::write(subject.log(), "old\n").unwrap();
    subject.start();
    assert_eq!(subject.log_with("new"), "old\nnew\n");
}

#[test]
fn a_handler_of_the_body_that_calls_ours_decides_when_to_end() {
    let subject = Subject::new().body("hook SIGTERM; park");
    let daemon = subject.start();
    subject.log_with("hooking");
    for count in 1..=3 {
        daemon.signal(Signal::SIGTERM);
        wait_until("the handler", || subject.log_text().matches("hooked").count() == count);
        subject.act("status").runs(daemon);
        assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    }
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.killer(), Signal::SIGINT);
    subject.left_nothing();
}

#[test]
fn a_handler_of_the_body_that_calls_ours_stops_a_context_too() {
    let subject = Subject::new().graceful("hook SIGTERM; wait");
    let daemon = subject.start();
    subject.log_with("hooking");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(subject.log_text(), "hooking\nhooked\nstopping true\n");
}

/// Returns a daemon whose body closes every descriptor and opens files of its own under their
/// numbers.
fn seizing(script: &str) -> Subject {
    let subject = Subject::new().key("stop_timeout", "5000");
    let files = subject.path("files");
    fs::create_dir(&files).unwrap();
    subject.body(format!("seize {}; print seized; {script}", files.display()))
}

/// Fails unless every file is as the body has written it.
#[track_caller]
fn are_intact(subject: &Subject, what: &str) {
    let files: Vec<_> = fs::read_dir(subject.path("files")).unwrap().flatten().collect();
    assert_eq!(files.len(), 8, "{what}");
    for file in files {
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            "precious\n",
            "{what}: {}",
            file.path().display()
        );
    }
}

#[test]
fn files_under_the_numbers_of_closed_descriptors_are_intact_after_a_stop() {
    for (context, script) in [
        (false, "park"),
        (true, "event; event"),
        (true, "wait"),
        (true, "event; event; fail it"),
        (true, "event; event; exit 3"),
    ] {
        let subject = seizing(script);
        let subject = if context { subject.key("context", "") } else { subject };
        let daemon = subject.start();
        subject.log_with("seized");
        if script.starts_with("event") {
            daemon.signal(Signal::SIGHUP);
            subject.log_with("Reload");
        }
        // Its lock went with its descriptor, so `stop` cannot find it.
        daemon.signal(Signal::SIGTERM);
        daemon.wait_until_gone();
        are_intact(&subject, script);
    }
}

#[test]
fn files_under_the_numbers_of_closed_descriptors_are_intact_after_a_failed_start() {
    for script in ["fail it", "exit 3", "panic it", "event", "park"] {
        let subject = seizing(script).key("context", "").key("wait_ready", "1000");
        assert_eq!(subject.act("start").status.code(), Some(1), "{script}");
        wait_until("the end of all processes", || subject.processes().is_empty());
        are_intact(&subject, script);
    }
}

#[test]
fn a_body_that_has_closed_everything_writes_nothing_when_it_says_that_it_is_ready() {
    let subject = seizing("ready; print said; event").key("context", "").key("wait_ready", "20000");
    let answer = subject.act("start");
    if answer.status.success() {
        answer.started().signal(Signal::SIGTERM);
    }
    wait_until("the end of all processes", || subject.processes().is_empty());
    are_intact(&subject, "ready");
}

/// Fails unless the daemon exits with 101 and only its launcher returns from the dispatcher.
#[track_caller]
fn ends_in_the_dispatcher(subject: Subject) {
    let after = subject.path("after");
    let subject = subject.key("after", &after);
    let start = subject.action("start").spawn().unwrap();
    let launcher = start.id();
    let daemon = Answer::from(start).started();
    assert_eq!(daemon.exit_code(), 101, "{}", subject.log_text());
    assert_eq!(fs::read_to_string(after).unwrap(), format!("{launcher}\n"), "who has come back");
    subject.left_a_reason();
}

#[test]
fn an_error_that_panics_when_it_is_said_ends_the_daemon_and_no_more() {
    ends_in_the_dispatcher(Subject::new().body("fail unspeakable"));
    ends_in_the_dispatcher(Subject::new().graceful("fail unspeakable"));
    ends_in_the_dispatcher(Subject::new().every(1, "fail unspeakable"));
}

#[test]
fn a_captured_value_that_panics_when_it_is_dropped_ends_the_daemon_and_no_more() {
    ends_in_the_dispatcher(Subject::new().every(1, "print run").key("times", "2").key("bomb", ""));
}

/// Starts a daemon whose program has set a handler before it called the dispatcher.
fn start_with_handler(subject: &Subject) -> Process {
    let daemon = subject.start();
    subject.log_with("up");
    daemon
}

#[test]
fn a_handler_from_before_the_dispatcher_decides_about_a_plain_body() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let subject = Subject::new().key("handler", signal.as_str()).body("print up; park");
        let daemon = start_with_handler(&subject);
        daemon.signal(signal);
        subject.log_with("hooked");
        subject.act("status").runs(daemon);
        daemon.signal(Signal::SIGKILL);
        daemon.wait_until_gone();
    }
}

#[test]
fn a_handler_from_before_the_dispatcher_is_called_before_a_context_is_told() {
    for action in ["start", "run"] {
        let subject = Subject::new().key("handler", "SIGTERM").graceful("print up; wait");
        if action == "start" {
            let daemon = start_with_handler(&subject);
            subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
            assert_eq!(subject.log_text(), "up\nhooked\nstopping true\n");
        } else {
            let run = subject.run();
            subject.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
            assert_eq!(run.answer().stdout, "up\nhooked\nstopping true\n");
        }
    }
}

#[test]
fn a_handler_from_before_the_dispatcher_does_not_keep_the_log_from_being_reopened() {
    let subject = Subject::new().key("handler", "SIGHUP").graceful("print up; event; wait");
    let daemon = start_with_handler(&subject);
    fs::rename(subject.log(), subject.path("old")).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.log_with("Reload");
    assert_eq!(fs::read_to_string(subject.path("old")).unwrap(), "up\nhooked\n");
}

#[test]
fn a_handler_from_before_the_dispatcher_interrupts_calls_as_before() {
    for action in ["start", "run"] {
        let subject = Subject::new().key("handler", "SIGTERM").key("handler_flags", "none");
        let subject = subject.body("print up; receive; print cleaned up");
        if action == "start" {
            let daemon = start_with_handler(&subject);
            wait_until("the call", || daemon.try_status("State").is_some_and(|state| state.starts_with('S')));
            subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
            assert_eq!(subject.log_text(), "up\nhooked\nErr(Interrupted)\ncleaned up\n");
        } else {
            let run = subject.run();
            wait_until("the call", || run.process.status("State").starts_with('S'));
            subject.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
            assert_eq!(run.answer().stdout, "up\nhooked\nErr(Interrupted)\ncleaned up\n");
        }
    }
}

#[test]
fn a_handler_from_before_the_dispatcher_for_one_signal_is_called_once() {
    let subject =
        Subject::new().key("handler", "SIGTERM").key("handler_flags", "once").body("print up; park");
    let daemon = start_with_handler(&subject);
    daemon.signal(Signal::SIGTERM);
    subject.log_with("hooked");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(subject.log_text(), "up\nhooked\n");
}

#[test]
fn a_child_of_the_body_keeps_the_programs_own_handler() {
    let subject = Subject::new().key("handler", "SIGTERM").graceful("print up; fork await; wait");
    let daemon = start_with_handler(&subject);
    let child = wait_for("the child", || subject.processes().into_iter().find(|process| *process != daemon));
    child.signal(Signal::SIGTERM);
    subject.log_with("hooked");
    assert!(child.is_alive());
    child.signal(Signal::SIGKILL);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_handler_from_before_the_dispatcher_is_back_after_run() {
    let subject = Subject::new().key("handler", "SIGTERM").body("nothing");
    let mut caller = subject.converse();
    let _ = caller.say("run");
    let _ = caller.say("run");
    caller.process.signal(Signal::SIGTERM);
    assert_eq!(caller.hear(), "hooked");
}

/// A subject of a program that aborts on panics.
pub fn aborting() -> Subject {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let profile = [r#"profile.abort.inherits="dev""#, r#"profile.abort.panic="abort""#];
        let profile = ["--config", profile[0], "--config", profile[1], "--profile", "abort"];
        let program = ["--package", "daemonic-test-programs", "--bin", "subject"];
        build(&[&profile[..], &program].concat()).into_iter().next().expect("a program")
    });
    Subject::of(program)
}

#[test]
fn a_panic_that_aborts_leaves_its_message() {
    let subject = aborting().body("print up; panic the reason");
    let daemon = Answer::of(subject.action("start")).started();
    assert_eq!(daemon.killer(), Signal::SIGABRT);
    subject.left_a_reason();
    assert!(subject.log_text().contains("the reason"), "{}", subject.log_text());
}

#[test]
fn a_panic_that_aborts_before_readiness_reaches_the_launcher() {
    let subject = aborting().key("wait_ready", "20000").graceful("panic the reason");
    subject.act("start").fails(1, "subject: failed to start: panicked: the reason");
    assert!(!subject.pidfile().exists());
}

#[test]
fn a_panic_of_a_run_that_aborts_ends_a_daemon_that_would_continue() {
    let subject = aborting().every(10, "print up; panic the reason").key("on_error", "continue");
    let daemon = Answer::of(subject.action("start")).started();
    assert_eq!(daemon.killer(), Signal::SIGABRT);
    subject.left_a_reason();
}
