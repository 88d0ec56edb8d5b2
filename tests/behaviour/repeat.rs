//! The repeating daemon: each run begins when it is due, and a stop ends it.

use std::fs;

use common::{Answer, Process, Subject, now, program, strace_or_skip, wait_until};
use nix::sys::signal::Signal;

const HOUR: u32 = 3_600_000;
const MILLISECOND: u128 = 1_000_000;

#[test]
fn the_first_run_is_at_once() {
    let subject = Subject::new().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("status").runs(daemon);
}

#[test]
fn times_reached_ends_it_with_0() {
    for context in [false, true] {
        let subject = Subject::new().every(5, "print ran").key("times", "3");
        let subject = if context { subject.key("context", "") } else { subject };
        assert_eq!(subject.start().exit_code(), 0);
        assert_eq!(subject.log_text(), "ran\nran\nran\n");
        subject.left_nothing();
    }
}

#[test]
fn there_is_no_pause_after_the_last_run() {
    let subject = Subject::new().every(HOUR, "print ran").key("times", "1");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text(), "ran\n");
    subject.left_nothing();
}

#[test]
fn zero_times_means_for_ever() {
    let subject = Subject::new().every(1, "print ran").key("times", "0");
    let daemon = subject.start();
    wait_until("many runs", || subject.log_text().lines().count() > 50);
    subject.act("status").runs(daemon);
}

#[test]
fn a_stop_during_the_pause_ends_it_at_once_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let subject = Subject::new().every(HOUR, "print ran");
        let daemon = subject.start();
        subject.log_with("ran");
        daemon.signal(signal);
        assert_eq!(daemon.exit_code(), 0);
        assert_eq!(subject.log_text(), "ran\n");
        subject.left_nothing();
    }
}

#[test]
fn stop_and_restart_work_during_the_pause() {
    let subject = Subject::new().every(HOUR, "print ran");
    let first = subject.start();
    let answer = subject.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    assert_eq!(first.exit_code(), 0);
    subject.act("stop").says(0, &format!("subject: stopped (pid {second})"));
    assert_eq!(second.exit_code(), 0);
    subject.left_nothing();
}

#[test]
fn a_stop_during_a_run_lets_that_run_finish() {
    for every in [1, HOUR] {
        let subject = Subject::new();
        let go = subject.path("go");
        let subject = subject.every(every, format!("until {}; print done", go.display()));
        let daemon = subject.start();
        subject.log_with(&format!("until {}", go.display()));
        daemon.signal(Signal::SIGTERM);
        wait_until("the signal to be heard", || !daemon.signals("ShdPnd").contains(&Signal::SIGTERM));
        assert!(daemon.is_alive());
        fs::write(&go, "").unwrap();
        assert_eq!(daemon.exit_code(), 0);
        assert_eq!(subject.log_text(), format!("until {}\ndone\n", go.display()));
        subject.left_nothing();
    }
}

#[test]
fn a_run_that_never_ends_is_killed_after_the_timeout() {
    let subject = Subject::new().every(1, "print in; park").key("stop_timeout", "300");
    let daemon = subject.start();
    subject.log_with("in");
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM"));
    subject.left_nothing();
}

#[test]
fn a_run_may_ask_its_context() {
    let subject = Subject::new().every(HOUR, "print ran; wait").key("context", "");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(subject.log_text(), "ran\nstopping true\n");
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_reload_during_the_pause_causes_no_run() {
    let subject = Subject::new().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    for round in 0..5 {
        fs::rename(subject.log(), subject.path(&format!("old.{round}"))).unwrap();
        subject.act("reload");
        wait_until("the new log", || subject.log().exists());
    }
    subject.act("stop");
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(subject.log_text(), "");
}

#[test]
fn a_run_that_fails_ends_the_daemon() {
    for (end, code, log) in
        [("fail x", 1, "ran\nsubject: x: the cause\n"), ("code 9", 9, "ran\n"), ("exit 7", 7, "ran\n")]
    {
        let subject = Subject::new().every(1, format!("print ran; {end}"));
        assert_eq!(subject.start().exit_code(), code, "{end}");
        assert_eq!(subject.log_text(), log, "{end}");
        subject.left_nothing();
    }
    let subject = Subject::new().every(1, "print ran; panic all is lost");
    assert_eq!(subject.start().exit_code(), 101);
    assert_eq!(subject.log_text().matches("ran\n").count(), 1);
    assert_eq!(subject.log_text().matches("all is lost").count(), 1);
    subject.left_nothing();
}

#[test]
fn a_run_that_fails_is_logged_and_the_next_one_comes() {
    let failing = |end: &str| Subject::new().every(1, end).key("on_error", "continue").key("times", "3");
    let subject = failing("fail x");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text(), "subject: x: the cause\n".repeat(3));
    let subject = failing("panic all is lost");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text().matches("all is lost").count(), 3);
    let subject = failing("print ran; code 9");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text(), "ran\n".repeat(3));
    subject.left_nothing();
}

#[test]
fn a_daemon_that_goes_on_after_errors_can_be_stopped() {
    let subject = Subject::new().every(1, "fail x").key("on_error", "continue");
    let daemon = subject.start();
    wait_until("some failures", || subject.log_text().lines().count() > 3);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
}

/// Waits for the runs of a daemon, and returns the moment before the start and that of each run.
fn stamps(subject: &Subject) -> Vec<u128> {
    let before = now();
    assert_eq!(subject.start().exit_code(), 0);
    let mut stamps = vec![before];
    stamps.extend(subject.log_text().lines().map(|line| line.parse::<u128>().unwrap()));
    stamps
}

#[test]
fn no_run_is_early_and_none_waits_for_the_work_of_those_before() {
    const PERIOD: u128 = 40;
    const WORK: u128 = 30;
    let subject = Subject::new().every(40, "stamp; sleep 30").key("times", "20").key("missed", "burst");
    let stamps = stamps(&subject);
    let (before, runs) = (stamps[0], &stamps[1..]);
    assert_eq!(runs.len(), 20);
    let number = |run: usize| u128::try_from(run).unwrap();
    for (run, stamp) in runs.iter().enumerate() {
        assert!(*stamp >= before + number(run) * PERIOD * MILLISECOND, "run {run} was early: {stamps:?}");
    }
    // Pauses that begin at the end of the work put every run beyond this. A busy machine would have
    // to be late for all of them.
    let is_in_time = |run: usize| runs[run] < runs[0] + number(run) * (PERIOD + WORK) * MILLISECOND;
    assert!((10..20).any(is_in_time), "the work's duration adds up: {stamps:?}");
}

/// The first run takes two and a half periods of 200 ms, the others take no time.
fn late(missed: &str) -> Vec<u128> {
    let subject = Subject::new().every(200, "stamp; first sleep 500").key("times", "5").key("missed", missed);
    let stamps = stamps(&subject);
    assert_eq!(stamps.len(), 6);
    assert!(stamps[2] >= stamps[1] + 500 * MILLISECOND, "two runs at once: {stamps:?}");
    stamps
}

#[test]
fn missed_runs_are_skipped() {
    let stamps = late("skip");
    for run in 1..5 {
        let due = u128::try_from(run + 2).unwrap() * 200 * MILLISECOND;
        assert!(stamps[run + 1] >= stamps[0] + due, "run {run} was early: {stamps:?}");
    }
    // They stay on the grid that begins with the start: not all of them are half a period off.
    let is_on_the_grid = |stamp: &u128| (stamp - stamps[1]) % (200 * MILLISECOND) < 100 * MILLISECOND;
    assert!(stamps[2..].iter().any(is_on_the_grid), "{stamps:?}");
}

#[test]
fn skipping_is_the_default() {
    let subject = Subject::new().every(200, "stamp; first sleep 500").key("times", "2");
    let stamps = stamps(&subject);
    assert!(stamps[2] >= stamps[0] + 600 * MILLISECOND, "{stamps:?}");
}

#[test]
fn missed_runs_are_made_up_for() {
    let stamps = late("burst");
    for run in 0..5 {
        let due = u128::try_from(run).unwrap() * 200 * MILLISECOND;
        assert!(stamps[run + 1] >= stamps[0] + due, "run {run} was early: {stamps:?}");
    }
    // With "skip" or "delay" the last run is due at 1200 ms, with "burst" at 800 ms.
    assert!(stamps[5] < stamps[1] + 1200 * MILLISECOND, "{stamps:?}");
}

#[test]
fn missed_runs_delay_the_next() {
    let stamps = late("delay");
    assert!(stamps[2] >= stamps[1] + 700 * MILLISECOND, "{stamps:?}");
    for pair in stamps[2..].windows(2) {
        assert!(pair[1] >= pair[0] + 200 * MILLISECOND, "{stamps:?}");
    }
}

#[test]
fn a_period_costs_two_system_calls_beside_the_work() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().every(20, "print tick").key("times", "10");
    assert_eq!(Answer::of(subject.traced(&[], "run")).stdout, "tick\n".repeat(10));
    let trace = fs::read_to_string(subject.path("trace")).unwrap();
    let lines: Vec<_> = trace.lines().collect();
    let is_tick = |at: &usize| lines[*at].contains(r#"write(1, "tick\n", 5)"#);
    let ticks: Vec<_> = (0..lines.len()).filter(is_tick).collect();
    assert_eq!(ticks.len(), 10, "{trace}");
    for pair in ticks.windows(2) {
        let between = &lines[pair[0] + 1..pair[1]];
        assert!(between.len() <= 2, "{between:#?}");
    }
}

#[test]
fn a_repeating_daemon_has_no_thread_and_no_more_descriptors_than_a_plain_one() {
    let subject = Subject::new().every(1, "print ran");
    let daemon = subject.start();
    wait_until("some runs", || subject.log_text().lines().count() > 10);
    assert_eq!(daemon.status("Threads"), "1");
    assert_eq!(daemon.descriptors().len(), 4, "{:?}", daemon.descriptors());
}

#[test]
fn a_daemon_sleeps_through_its_pause() {
    let switches = |daemon: Process| daemon.status("voluntary_ctxt_switches");
    for subject in [
        Subject::new().every(HOUR, "print ran"),
        Subject::new().body("print ran; park"),
        Subject::new().graceful("print ran; wait"),
    ] {
        let daemon = subject.start();
        subject.log_with("ran");
        wait_until("sleep", || daemon.status("State").starts_with('S'));
        let before = switches(daemon);
        // A daemon that wakes up by itself would do so while other daemons start and stop.
        for _ in 0..20 {
            let other = Subject::new();
            other.start();
            other.act("stop");
        }
        assert_eq!(switches(daemon), before);
    }
}

#[test]
fn a_period_longer_than_any_clock_runs_once_and_can_be_stopped() {
    let subject = Subject::new().key("every", u64::MAX.to_string()).body("print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_state_that_is_lent_is_kept_between_the_runs() {
    for (more, log) in
        [(None, "run 11\nrun 12\nrun 13\n"), (Some("at"), "at! 12 false\nat! 14 false\nat! 16 false\n")]
    {
        let subject = Subject::new();
        let subject = more.map_or_else(Subject::new, |more| subject.key("more", more));
        let act = |action: &str| {
            let mut command = subject.command(program("kept"));
            command.arg(action);
            Answer::of(command)
        };
        assert_eq!(act("start").started().exit_code(), 0);
        assert_eq!(subject.log_text(), log);
        assert_eq!(act("run").stdout, log);
        subject.left_nothing();
    }
}
