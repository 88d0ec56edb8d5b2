//! The repeating daemon: each run begins when it is due, and a stop ends it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::notice::Notice;
use common::strace::Strace;
use common::{Answer, Process, Subject, now, program, root_or_skip, strace_or_skip, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
        subject.left_a_reason();
    }
    let subject = Subject::new().every(1, "print ran; panic all is lost");
    assert_eq!(subject.start().exit_code(), 101);
    assert_eq!(subject.log_text().matches("ran\n").count(), 1);
    assert_eq!(subject.log_text().matches("all is lost").count(), 1);
    subject.left_a_reason();
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
    assert_eq!(subject.log_text(), "ran\nsubject: exit 9\n".repeat(3));
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

fn number(run: usize) -> u128 {
    run.try_into().unwrap()
}

#[test]
fn no_run_is_early_and_none_waits_for_the_work_of_those_before() {
    const PERIOD: u128 = 40;
    const WORK: u128 = 30;
    let subject = Subject::new().every(40, "stamp; sleep 30").key("times", "20").key("missed", "burst");
    let stamps = stamps(&subject);
    let (before, runs) = (stamps[0], &stamps[1..]);
    assert_eq!(runs.len(), 20);
    for (run, stamp) in runs.iter().enumerate() {
        assert!(*stamp >= before + number(run) * PERIOD * MILLISECOND, "run {run} was early: {stamps:?}");
    }
    // Pauses that begin at the end of the work put every run beyond this. A busy machine would have
    // to be late for all of them.
    let is_in_time = |run: usize| runs[run] < runs[0] + number(run) * (PERIOD + WORK) * MILLISECOND;
    assert!((10..20).any(is_in_time), "the work's duration adds up: {stamps:?}");
}

/// The first run takes two and a half periods of 400 ms, the others take no time.
fn late(missed: &str) -> Vec<u128> {
    let subject =
        Subject::new().every(400, "stamp; first sleep 1000").key("times", "5").key("missed", missed);
    let stamps = stamps(&subject);
    assert_eq!(stamps.len(), 6);
    assert!(stamps[2] >= stamps[1] + 1000 * MILLISECOND, "two runs at once: {stamps:?}");
    stamps
}

#[test]
fn missed_runs_are_skipped() {
    let stamps = late("skip");
    for run in 1..5 {
        let due = number(run + 2) * 400 * MILLISECOND;
        assert!(stamps[run + 1] >= stamps[0] + due, "run {run} was early: {stamps:?}");
    }
    // They stay on the grid that begins with the start: not all of them are half a period off.
    let is_on_the_grid = |stamp: &u128| (stamp - stamps[1]) % (400 * MILLISECOND) < 200 * MILLISECOND;
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
        let due = number(run) * 400 * MILLISECOND;
        assert!(stamps[run + 1] >= stamps[0] + due, "run {run} was early: {stamps:?}");
    }
    // With "skip" or "delay" the last run is due at 2400 ms, with "burst" at 1600 ms.
    assert!(stamps[5] < stamps[1] + 2400 * MILLISECOND, "{stamps:?}");
}

#[test]
fn missed_runs_delay_the_next() {
    let stamps = late("delay");
    assert!(stamps[2] >= stamps[1] + 1400 * MILLISECOND, "{stamps:?}");
    for pair in stamps[2..].windows(2) {
        assert!(pair[1] >= pair[0] + 400 * MILLISECOND, "{stamps:?}");
    }
}

/// Suspends a daemon with a period of 200 ms across several due times, and returns its stamps from before and after, with
/// the lines about late runs.
fn suspended(missed: &str, clock: &str) -> (Vec<u128>, Vec<String>) {
    let subject = Subject::new().every(200, "stamp").key("missed", missed).key("clock", clock);
    let daemon = subject.start();
    let stamps =
        || -> Vec<u128> { subject.log_text().lines().filter_map(|line| line.parse().ok()).collect() };
    wait_until("some runs", || stamps().len() >= 2);
    daemon.signal(Signal::SIGSTOP);
    wait_until("the stop", || daemon.status("State").starts_with('T'));
    let (before, stopped) = (stamps().len(), now());
    wait_until("several periods", || now() > stopped + 1_300 * MILLISECOND);
    let resumed = now();
    daemon.signal(Signal::SIGCONT);
    wait_until("a run", || stamps().len() > before);
    // What is made up for comes before this.
    wait_until("a run that is not late", || *stamps().last().unwrap() > resumed + 400 * MILLISECOND);
    subject.act("stop");
    let log = subject.raw_log();
    let late = Notice::all(&log).into_iter().filter(|it| it.message.contains("suspended or stopped"));
    (stamps().split_off(before), late.map(|it| it.message.to_owned()).collect())
}

#[test]
fn a_daemon_that_was_suspended_runs_once_or_makes_up_for_each_run() {
    for (missed, clock) in
        [("skip", "monotonic"), ("skip", "boot"), ("delay", "monotonic"), ("burst", "boot")]
    {
        let (stamps, late) = suspended(missed, clock);
        let at_once = stamps.iter().filter(|stamp| **stamp < stamps[0] + 100 * MILLISECOND).count();
        // The next regular run may be near.
        let most = if missed == "burst" { 8 } else { 2 };
        assert!((most - 2..=most).contains(&at_once), "{missed}, {clock}: {at_once} of {stamps:?}");
        assert_eq!(late.len(), 1, "{missed}: {late:?}");
        let skips = late[0].contains(" are skipped: ") || late[0].contains(" is skipped: ");
        assert_eq!(skips, missed == "skip", "{late:?}");
        assert!(late[0].starts_with("subject: a run is 1s "), "{late:?}");
    }
}

#[test]
fn the_clock_that_counts_suspend_is_waited_for_by_a_timer() {
    let subject = Subject::new().every(20, "stamp").key("times", "5").key("clock", "boot");
    let stamps = stamps(&subject);
    for run in 0..5 {
        assert!(
            stamps[run + 1] >= stamps[1] + number(run) * 20 * MILLISECOND - 20 * MILLISECOND,
            "{stamps:?}"
        );
    }
    let subject = Subject::new().every(HOUR, "print ran").key("clock", "boot");
    let daemon = subject.start();
    subject.log_with("ran");
    wait_until("its descriptors", || daemon.descriptors().len() == 5);
    assert!(
        daemon.descriptors().iter().any(|(_, link)| link.ends_with("anon_inode:[timerfd]")),
        "{:?}",
        daemon.descriptors()
    );
    fs::rename(subject.log(), subject.path("old.log")).unwrap();
    subject.act("reload");
    wait_until("the reload", || subject.log().exists());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(subject.log_text(), "");
}

#[test]
fn a_stop_wakes_a_timer_whenever_it_comes() {
    for _ in 0..50 {
        // The daemon is about to wait, or waits already.
        let subject = Subject::new().every(HOUR, "").key("clock", "boot");
        let daemon = subject.start();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.exit_code(), 0);
    }
}

#[test]
fn a_stop_that_another_thread_gets_wakes_the_wait_for_a_timer() {
    let subject = Subject::new().every(HOUR, "thread; block SIGTERM; print ran").key("clock", "boot");
    let daemon = subject.start();
    subject.log_with("ran");
    wait_until("sleep", || daemon.status("State").starts_with('S'));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_stop_is_not_lost_while_another_thread_wakes_the_wait_for_a_timer() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new()
        .every(HOUR, "thread; thread; block SIGHUP; block SIGTERM; print ran")
        .key("clock", "boot");
    let daemon = subject.start();
    subject.log_with("ran");
    wait_until("the pause", || daemon.status("State").starts_with('S'));
    let threads = daemon.other_threads();
    let traces = ["one", "other"].map(|name| subject.path(name));
    let slowly = Some("timerfd_settime:delay_exit=2000000");
    let straces: Vec<_> =
        threads.iter().zip(&traces).map(|(thread, trace)| Strace::attach(*thread, trace, slowly)).collect();
    assert_eq!(straces.len(), 2);
    let has_woken =
        || traces.iter().any(|trace| fs::read_to_string(trace).unwrap().contains("timerfd_settime("));
    let pauses = || daemon.status("voluntary_ctxt_switches");
    let before = pauses();
    // One thread wakes the wait, and is slow to return.
    daemon.signal(Signal::SIGHUP);
    wait_until("the wake", has_woken);
    wait_until("the next pause", || pauses() != before && daemon.status("State").starts_with('S'));
    // The other one gets this.
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    drop(straces);
    subject.left_nothing();
}

#[test]
fn a_body_that_closes_the_timer_does_not_stop_the_runs() {
    let subject = Subject::new();
    let files = subject.path("files");
    fs::create_dir_all(&files).unwrap();
    let body = format!("print ran; first seize {}", files.display());
    let subject = subject.every(50, body).key("clock", "boot").key("times", "3");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text(), "ran\nran\nran\n");
    for file in fs::read_dir(files).unwrap() {
        assert_eq!(fs::read_to_string(file.unwrap().path()).unwrap(), "precious\n");
    }
}

#[test]
fn the_first_run_is_after_the_delay() {
    for clock in ["monotonic", "boot"] {
        let subject =
            Subject::new().every(100, "stamp").key("times", "3").key("delay", "300").key("clock", clock);
        let stamps = stamps(&subject);
        for run in 0..3 {
            let due = stamps[0] + (300 + number(run) * 100) * MILLISECOND;
            assert!(stamps[run + 1] >= due, "run {run} was early: {stamps:?}");
        }
        let subject =
            Subject::new().every(100, "print ran").key("delay", HOUR.to_string()).key("clock", clock);
        let daemon = subject.start();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.exit_code(), 0);
        assert_eq!(subject.log_text(), "");
    }
}

#[test]
fn jitter_makes_each_run_late_and_none_early_without_adding_up() {
    // No run is skipped on a busy machine, so each is due a number of periods after the start.
    let subject =
        Subject::new().every(40, "stamp").key("times", "25").key("jitter", "30").key("missed", "burst");
    let stamps = stamps(&subject);
    let late: Vec<_> =
        (0..25).map(|run| stamps[run + 1].checked_sub(stamps[0] + number(run) * 40 * MILLISECOND)).collect();
    let late: Vec<_> = late.into_iter().map(|late| late.expect("a run was early")).collect();
    let least = late.iter().min().unwrap();
    assert!(late[15..].iter().any(|late| *late < least + 60 * MILLISECOND), "the jitter adds up: {late:?}");
    let later = late.iter().filter(|late| **late > least + 8 * MILLISECOND).count();
    assert!(later > 8, "the runs are late by the same time: {late:?}");
}

#[test]
fn jitter_longer_than_the_period_and_a_run_never_makes_two_at_once() {
    let subject = Subject::new().every(10, "stamp; sleep 5; stamp").key("times", "20").key("jitter", "40");
    let stamps = stamps(&subject);
    assert_eq!(stamps.len(), 41);
    assert!(stamps.is_sorted(), "{stamps:?}");
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
        // On a busy machine, a line may say that runs were late.
        let between = lines[pair[0] + 1..pair[1]].iter().filter(|line| !line.contains("write(2, "));
        let between: Vec<_> = between.collect();
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

/// A daemon whose setup is a script, and whose value says which process drops it.
fn with_setup(every: u32, setup: &str, body: &str) -> Subject {
    let subject = Subject::new();
    let kept = subject.path("kept");
    subject.every(every, body).key("setup", setup).key("kept", kept)
}

/// The processes that have dropped what the setup has made.
fn drops_of_setup(subject: &Subject) -> String {
    fs::read_to_string(subject.path("kept")).unwrap_or_default()
}

fn has_run(subject: &Subject) -> bool {
    subject.log_text().lines().any(|line| line == "run 1")
}

#[test]
fn what_the_setup_makes_is_kept_between_the_runs_and_dropped_once() {
    for context in [false, true] {
        let subject = with_setup(1, "print made; identify", "").key("times", "3");
        let subject = if context { subject.key("context", "") } else { subject };
        for restart in [false, true] {
            let daemon = if restart { subject.act("restart").started() } else { subject.start() };
            assert_eq!(daemon.exit_code(), 0);
            assert_eq!(subject.log_text(), format!("made\n{daemon}\nrun 1\nrun 2\nrun 3\n"));
            assert_eq!(drops_of_setup(&subject), format!("{daemon}\n"));
            subject.left_nothing();
            fs::remove_file(subject.log()).unwrap();
            fs::remove_file(subject.path("kept")).unwrap();
        }
        let run = subject.action("run").spawn().unwrap();
        let process = run.id();
        Answer::from(run).says(0, &format!("made\n{process}\nrun 1\nrun 2\nrun 3"));
        assert_eq!(drops_of_setup(&subject), format!("{process}\n"));
        subject.left_nothing();
    }
}

#[test]
fn start_returns_after_the_setup_and_not_before() {
    for keys in [&[][..], &[("context", ""), ("wait_ready", "20000")]] {
        let go = Subject::new();
        let go = go.path("go");
        fs::create_dir_all(go.parent().unwrap()).unwrap();
        let setup = format!("until {}", go.display());
        let subject = with_setup(HOUR, &setup, if keys.is_empty() { "" } else { "ready" });
        let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
        let mut start = subject.action("start").spawn().unwrap();
        subject.log_with(&setup);
        assert!(start.try_wait().unwrap().is_none(), "it has returned before the setup was done");
        assert_eq!(subject.act("status").pid().to_string(), subject.pid_text().trim());
        assert!(!has_run(&subject), "a run has begun before");
        fs::write(&go, "").unwrap();
        let daemon = Answer::from(start).started();
        subject.log_with("run 1");
        assert_eq!(drops_of_setup(&subject), "");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert_eq!(daemon.exit_code(), 0);
        assert_eq!(drops_of_setup(&subject), format!("{daemon}\n"));
        subject.left_nothing();
        fs::remove_dir_all(go.parent().unwrap()).unwrap();
    }
}

#[test]
fn the_setup_is_done_by_the_new_user() {
    if !root_or_skip() {
        return;
    }
    for action in ["start", "run"] {
        let subject = Subject::new().open_to_all();
        let mine = subject.path("mine");
        let subject = subject.every(1, "").key("times", "1").key("user", "nobody");
        let subject = subject.key("setup", format!("claim {}", mine.display()));
        let answer = subject.act(action);
        if action == "start" {
            answer.started().wait_until_gone();
        }
        assert_eq!(fs::metadata(&mine).unwrap().uid(), 65534, "{action}: {answer:?}");
    }
}

#[test]
fn what_the_setup_makes_is_dropped_after_a_run_that_fails() {
    for (end, code) in [("fail x", 1), ("panic all is lost", 101), ("code 9", 9)] {
        let subject = with_setup(1, "", end);
        let daemon = subject.start();
        assert_eq!(daemon.exit_code(), code, "{end}");
        assert_eq!(drops_of_setup(&subject), format!("{daemon}\n"), "{end}");
        subject.left_a_reason();
    }
    let subject = with_setup(1, "", "fail x").key("on_error", "continue").key("times", "3");
    let daemon = subject.start();
    assert_eq!(daemon.exit_code(), 0);
    let failure = "subject: x: the cause\n";
    assert_eq!(subject.log_text(), format!("run 1\n{failure}run 2\n{failure}run 3\n{failure}"));
    assert_eq!(drops_of_setup(&subject), format!("{daemon}\n"));
}

#[test]
fn a_setup_that_fails_is_the_reason_why_the_start_fails() {
    for (setup, reason) in [
        ("fail x", "x: the cause"),
        ("panic all is lost", "panicked: all is lost"),
        ("exit 0", "exited before it was ready"),
        ("exit 7", "exited before it was ready"),
        ("abort", "the daemon died before it was ready"),
    ] {
        for keys in [&[][..], &[("context", "")], &[("context", ""), ("wait_ready", "20000")]] {
            let subject = with_setup(1, setup, "print ran");
            let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
            for action in ["start", "restart"] {
                subject.act(action).fails(1, &format!("subject: failed to start: {reason}"));
                subject.left_nothing();
            }
            assert!(!has_run(&subject), "{setup}: {}", subject.log_text());
            assert_eq!(drops_of_setup(&subject), "", "{setup}");
            subject.act("status").says(3, "subject: not running");
            subject.key("setup", "").key("times", "1").key("body", "").without("wait_ready").start();
        }
    }
    let subject = with_setup(1, "fail x", "");
    subject.act("start");
    assert_eq!(subject.log_text(), "subject: x: the cause\n");
    // Displaying the error panics.
    let answer = with_setup(1, "fail unspeakable", "").act("start");
    assert!(answer.stderr.starts_with("subject: failed to start: panicked: "), "{answer:?}");
    assert!(answer.stderr.contains("an error that can't be said"), "{answer:?}");
}

#[test]
fn a_setup_that_fails_is_the_error_of_run() {
    let subject = with_setup(1, "fail x", "print ran");
    subject.act("run").fails(1, "subject: failed to start: x: the cause");
    subject.left_nothing();
    let subject = with_setup(1, "panic all is lost", "print ran");
    let answer = subject.act("run");
    assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(1), ""), "{answer:?}");
    assert!(answer.stderr.ends_with("subject: failed to start: panicked: all is lost\n"), "{answer:?}");
    subject.left_nothing();
    // The caller lives on, and a later action succeeds.
    let subject = with_setup(1, "first fail x", "").key("times", "1");
    let mut caller = subject.converse();
    assert_eq!(caller.say("run"), "subject: failed to start: x: the cause");
    assert_eq!(caller.say("run"), "run 1");
    assert_eq!(caller.hear(), "Finished { code: 0 } ");
    caller.end();
}

#[test]
fn the_daemon_drops_what_a_body_owns_whose_setup_has_failed() {
    for setup in ["", "fail x", "panic all is lost"] {
        let subject = with_setup(1, &format!("identify; {setup}"), "").key("times", "1");
        let guard = subject.path("drops");
        let subject = subject.key("guard", &guard);
        let answer = subject.act("start");
        assert_eq!(answer.status.success(), setup.is_empty(), "{answer:?}");
        wait_until("the drop", || guard.exists());
        subject.leaves_nothing();
        let daemon = subject.log_text().lines().next().unwrap().to_owned();
        assert_eq!(fs::read_to_string(&guard).unwrap(), format!("{daemon}\n"), "{setup}");
    }
}

#[test]
fn a_launcher_that_goes_during_the_setup_takes_the_daemon_along() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let subject = with_setup(1, "print making; park", "");
        let mut start = subject.action("start").spawn().unwrap();
        subject.log_with("making");
        kill(Pid::from_raw(start.id().try_into().unwrap()), signal).unwrap();
        start.wait().unwrap();
        subject.leaves_nothing();
        assert_eq!(subject.log_text(), "making\n");
    }
}

#[test]
fn a_daemon_that_dies_in_its_setup_is_missed_at_once() {
    // Its child has the channel to the launcher open.
    let subject = with_setup(1, "fork park; print making; park", "");
    let start = subject.action("start").spawn().unwrap();
    subject.log_with("making");
    subject.act("status").pid().signal(Signal::SIGKILL);
    Answer::from(start).fails(1, "subject: failed to start: the daemon died before it was ready");
}

#[test]
fn a_stop_during_the_setup_leaves_no_run() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(1, "").key("setup", format!("until {}", go.display()));
    let start = subject.action("start").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    let daemon = subject.act("status").pid();
    daemon.signal(Signal::SIGTERM);
    wait_until("the signal to be heard", || !daemon.signals("ShdPnd").contains(&Signal::SIGTERM));
    fs::write(&go, "").unwrap();
    assert_eq!(Answer::from(start).started(), daemon);
    daemon.wait_until_gone();
    assert!(!has_run(&subject));
    subject.left_nothing();
}

#[test]
fn a_setup_may_use_the_parameters_that_the_runs_get() {
    let subject = Subject::new();
    let act = |action: &str, text: &str| {
        let mut command = subject.command(program("kept"));
        command.env("SUBJECT_SETUP", text).arg(action);
        Answer::of(command)
    };
    let log = "at! 25 false\nat! 30 false\nat! 35 false\n";
    let daemon = act("start", "at").started();
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(subject.log_text(), format!("{daemon}: at of [1, 1]\n{log}"));
    assert!(act("run", "at").stdout.ends_with(&format!(": at of [1, 1]\n{log}")));
    assert_eq!(act("run", "count").stdout, "5\n6\n7\n");
    act("start", "").fails(1, "subject: failed to start: no text");
    subject.left_nothing();
}
