//! A run that fails or takes too long: its further attempts, its time limit.

use std::fs;
use std::time::{Duration, Instant};

use common::notice::Notice;
use common::strace::Strace;
use common::{Answer, Process, Subject, strace_or_skip, wait_until};
use nix::sys::signal::Signal;

const HOUR: u32 = 3_600_000;

/// Returns the log without the times and levels of notices.
fn all_lines(subject: &Subject) -> Vec<String> {
    let log = subject.raw_log();
    log.lines().map(|line| Notice::parse(line).map_or(line, |notice| notice.message).to_owned()).collect()
}

// ---- retry ----

#[test]
fn a_run_that_fails_is_tried_again_before_on_error_decides() {
    for (end, code, error) in [("fail x", 1, "x: the cause"), ("code 9", 9, "exit 9")] {
        let subject = Subject::new().every(HOUR, format!("print try; {end}"));
        let subject = subject.key("retry", "2").key("retry_delay", "10");
        assert_eq!(subject.start().exit_code(), code);
        let mut lines = vec![
            "try".to_owned(),
            format!("subject: retrying in 10ms (attempt 2 of 3): {error}"),
            "try".to_owned(),
            format!("subject: retrying in 20ms (attempt 3 of 3): {error}"),
            "try".to_owned(),
        ];
        if code == 1 {
            lines.push(format!("subject: {error}"));
        }
        assert_eq!(all_lines(&subject), lines);
        subject.left_a_reason();
    }
}

#[test]
fn a_run_that_panics_is_tried_again() {
    let subject = Subject::new().every(HOUR, "print try; panic all is lost");
    let subject = subject.key("retry", "1").key("retry_delay", "1");
    assert_eq!(subject.start().exit_code(), 101);
    let log = subject.log_text();
    assert_eq!(log.lines().filter(|line| *line == "try").count(), 2, "{log}");
    assert!(log.contains("subject: retrying in 1ms (attempt 2 of 2): panicked at "), "{log}");
}

#[test]
fn an_attempt_that_succeeds_is_the_last() {
    let subject = Subject::new();
    let body = format!("print try; once {} fail x; print done", subject.path("failed").display());
    let subject = subject.every(HOUR, body).key("times", "1").key("retry", "5").key("retry_delay", "1");
    assert_eq!(subject.start().exit_code(), 0);
    let retrying = "subject: retrying in 1ms (attempt 2 of 6): x: the cause";
    assert_eq!(all_lines(&subject), ["try", retrying, "try", "done"]);
    subject.left_nothing();
}

#[test]
fn all_attempts_are_one_run() {
    let subject = Subject::new().every(1, "print try; fail x").key("times", "2").key("on_error", "continue");
    let subject = subject.key("retry", "1").key("retry_delay", "1");
    assert_eq!(subject.start().exit_code(), 0);
    let run =
        ["try", "subject: retrying in 1ms (attempt 2 of 2): x: the cause", "try", "subject: x: the cause"];
    let lines = all_lines(&subject);
    let lines: Vec<_> = lines.iter().filter(|line| !line.contains(" skipped: ")).collect();
    assert_eq!(lines, [run, run].concat());
}

#[test]
fn a_stop_ends_the_pause_before_another_attempt_at_once() {
    let subject = Subject::new().every(1, "fail x").key("retry", "3").key("retry_delay", HOUR.to_string());
    let daemon = subject.start();
    subject.log_with("subject: retrying in 1h (attempt 2 of 4): x: the cause");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
    subject.left_nothing();
}

// ---- run_timeout ----

#[test]
fn a_run_that_fails_while_the_daemon_stops_is_not_tried_again_and_has_failed() {
    for retry in ["0", "1"] {
        let subject = Subject::new().every(HOUR, "print begun; await; fail x").key("context", "");
        let subject = subject.key("retry", retry);
        let daemon = subject.start();
        subject.log_with("begun");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert_eq!(daemon.exit_code(), 1, "with {retry}");
        assert!(all_lines(&subject).contains(&"subject: x: the cause".to_owned()), "{}", subject.raw_log());
    }
}

#[test]
fn a_run_sees_a_stop_when_its_time_is_over_and_the_next_run_does_not() {
    let subject = Subject::new().every(1, "poll 0; wait; poll 20000").key("context", "").key("times", "3");
    let subject = subject.key("run_timeout", "500").key("on_error", "continue");
    let begin = Instant::now();
    assert_eq!(subject.start().exit_code(), 0);
    assert!(begin.elapsed() >= Duration::from_millis(3 * 500), "a run saw the stop of the one before");
    let run = "readable Ok(false)\nstopping true\nreadable Ok(true)\n\
               subject: stopping a run, which has not ended within 500ms\nsubject: timed out after 500ms\n";
    let mut lines = subject.log_text().lines().map(str::to_owned).collect::<Vec<_>>();
    let mut expected: Vec<_> = run.repeat(3).lines().map(str::to_owned).collect();
    // The thread writes its line, and makes the descriptor readable, while the run prints.
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
    subject.left_nothing();
}

#[test]
fn a_run_that_is_over_in_time_notices_nothing() {
    for context in [false, true] {
        let subject = Subject::new().every(1, "print ran; sleep 1").key("times", "20");
        let subject = if context { subject.key("context", "") } else { subject };
        let subject = subject.key("run_timeout", "20000").key("missed", "burst");
        assert_eq!(subject.start().exit_code(), 0);
        assert_eq!(subject.log_text(), "ran\n".repeat(20));
        subject.left_nothing();
    }
}

#[test]
fn a_run_that_returns_late_has_failed() {
    for (end, code, error) in [
        ("", 1, "timed out after 30ms"),
        ("; code 9", 9, "timed out after 30ms"),
        ("; fail x", 1, "timed out after 30ms: x: the cause"),
    ] {
        // Without a `Context`, a run may also end by itself.
        for wait in ["await", "sleep 60"] {
            let subject = Subject::new().every(1, format!("{wait}{end}")).key("context", "");
            let subject = if wait == "await" { subject } else { subject.without("context") };
            let daemon = subject.key("run_timeout", "30").start_and_end(code);
            assert_eq!(daemon.last().map(String::as_str), Some(&*format!("subject: {error}")), "{daemon:?}");
        }
    }
}

#[test]
fn a_run_that_returns_late_has_failed_even_if_nothing_could_tell_it() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("until {}", go.display())).key("run_timeout", "3000");
    let daemon = subject.start();
    subject.log_with(&format!("until {}", go.display()));
    let seen = Instant::now();
    let threads = fs::read_dir(format!("/proc/{daemon}/task")).unwrap();
    let mut threads = threads.map(|thread| thread.unwrap().file_name().into_string().unwrap());
    let watcher =
        threads.find(|thread| *thread != daemon.to_string()).expect("the thread that watches the time");
    let watcher = Process(watcher.parse().unwrap());
    // The thread waits until the time is over, and then gets no processor time for a while.
    let late = "futex,restart_syscall:delay_exit=3000000";
    let strace = Strace::attach(watcher, &subject.path("trace"), Some(late));
    wait_until("the time to be over", || seen.elapsed() > Duration::from_secs(3));
    fs::write(&go, "").unwrap();
    assert_eq!(daemon.exit_code(), 1);
    strace.end();
    let lines = all_lines(&subject);
    assert_eq!(lines[1..], ["subject: timed out after 3s"]);
}

#[test]
fn a_run_that_times_out_is_tried_again() {
    let subject = Subject::new().every(1, "await").key("context", "").key("times", "1");
    let subject = subject.key("run_timeout", "30").key("retry", "1").key("retry_delay", "1");
    let lines = subject.start_and_end(1);
    assert_eq!(
        lines,
        [
            "subject: stopping a run, which has not ended within 30ms",
            "subject: retrying in 1ms (attempt 2 of 2): timed out after 30ms",
            "subject: stopping a run, which has not ended within 30ms",
            "subject: timed out after 30ms",
        ]
    );
}

#[test]
fn a_run_that_does_not_end_ends_the_daemon() {
    const ENDING: &str = "subject: timed out after 100ms, and did not end within 200ms";
    for (body, context) in [("spin", false), ("spin", true), ("park", false)] {
        let subject = Subject::new().every(1, format!("print in; {body}"));
        let subject = if context { subject.key("context", "") } else { subject };
        // Neither key can prevent it.
        let subject = subject.key("on_error", "continue").key("retry", "3");
        let subject = subject.key("run_timeout", "100").key("stop_timeout", "200");
        let begin = Instant::now();
        let daemon = subject.start();
        assert_eq!(daemon.exit_code(), 1);
        assert!(begin.elapsed() >= Duration::from_millis(300));
        let stopping = "subject: stopping a run, which has not ended within 100ms";
        assert_eq!(all_lines(&subject), ["in", stopping, ENDING]);
        subject.left_a_reason();
        let status = subject.act("status");
        assert!(status.stdout.contains(&ENDING["subject: ".len()..]), "{status:?}");
        subject.act("stop");
    }
    let subject = Subject::new().every(1, "spin").key("run_timeout", "10").key("stop_timeout", "10");
    let answer = Answer::of(subject.action("run"));
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
}

#[test]
fn a_supervisor_brings_the_daemon_back_whose_run_does_not_end() {
    let subject = Subject::new();
    let body = format!("once {} spin; print alive", subject.path("spun").display());
    let subject = subject.every(HOUR, body).key("respawn", "on-failure").key("respawn_delay", "1");
    let subject = subject.key("run_timeout", "50").key("stop_timeout", "50");
    let daemon = subject.start();
    subject.log_with("alive");
    let error = "timed out after 50ms, and did not end within 50ms";
    subject.log_with(&format!("subject: respawning in 1ms: exit 1: {error}"));
    subject.act("stop");
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_stop_during_a_run_whose_time_is_over_still_stops() {
    for (on_error, retry) in [("continue", "3"), ("stop", "0")] {
        let subject = Subject::new();
        let go = subject.path("go");
        let body = format!("wait; until {}; print end", go.display());
        let subject = subject.every(1, body).key("context", "").key("run_timeout", "30");
        let subject = subject.key("on_error", on_error).key("retry", retry).key("stop_timeout", "20000");
        let daemon = subject.start();
        subject.log_with(&format!("until {}", go.display()));
        daemon.signal(Signal::SIGTERM);
        wait_until("the line about the stop", || subject.raw_log().contains("stopping (SIGTERM)"));
        fs::write(&go, "").unwrap();
        assert_eq!(daemon.exit_code(), 0);
        assert_eq!(subject.log_text().matches("end\n").count(), 1);
        subject.left_nothing();
    }
}

#[test]
fn a_stop_in_the_pause_after_a_run_whose_time_was_over_is_seen() {
    let subject = Subject::new().every(HOUR, "await; print end").key("context", "").key("run_timeout", "30");
    let subject = subject.key("on_error", "continue");
    let daemon = subject.start();
    subject.log_with("subject: timed out after 30ms");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn only_a_daemon_with_a_time_limit_has_a_thread_for_it() {
    let subject = Subject::new().every(HOUR, "print ran").key("run_timeout", "20000");
    let daemon = subject.start();
    subject.log_with("ran");
    assert_eq!(daemon.status("Threads"), "2");
    subject.act("stop");
    let subject = Subject::new().every(HOUR, "print ran").key("retry", "3");
    let daemon = subject.start();
    subject.log_with("ran");
    assert_eq!(daemon.status("Threads"), "1");
}

#[test]
fn a_zero_limit_makes_the_start_fail() {
    let subject = Subject::new().every(1, "").key("run_timeout", "0");
    let message = "subject: failed to start: `run_timeout` is zero; give a time such as 1h";
    subject.act("start").fails(1, message);
}

trait StartAndEnd {
    /// Starts the daemon, waits for its end with this exit code, and returns the lines of the log.
    fn start_and_end(&self, code: i32) -> Vec<String>;
}

impl StartAndEnd for Subject {
    #[track_caller]
    fn start_and_end(&self, code: i32) -> Vec<String> {
        assert_eq!(self.start().exit_code(), code);
        all_lines(self)
    }
}
