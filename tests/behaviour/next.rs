//! The next runs of a daemon that runs once a period: `next`, and the line of `status`.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use common::{Answer, Subject, program_with, wait_until};

const HOUR: u32 = 3_600_000;

fn subject() -> Subject {
    Subject::of(&program_with("cron", "subject_cron"))
}

fn next(subject: &Subject, count: &str) -> Answer {
    let mut command = subject.wrapped(&["env", "TZ=Asia/Kolkata"], "next");
    command.arg(count);
    Answer::of(command)
}

/// Returns how many seconds there are until each of the next runs.
fn left(answer: &Answer) -> Vec<u64> {
    let seconds = |time: &str| {
        let (number, unit) = time.split_at(time.len() - 1);
        let number: u64 = number.parse().unwrap();
        number
            * [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
                .into_iter()
                .find(|(u, _)| *u == unit)
                .unwrap()
                .1
    };
    assert_eq!((answer.status.code(), &*answer.stderr), (Some(0), ""), "{answer:?}");
    let left = |line: &str| {
        let (time, left) = line.strip_prefix("subject: ").unwrap().split_once(" (UTC+05:30), in ").unwrap();
        assert!(time.ends_with(" IST"), "{answer:?}");
        left.split(' ').map(seconds).sum()
    };
    answer.stdout.lines().map(left).collect()
}

/// Fails unless the next run is due in some minutes and seconds, of which some may have passed.
#[track_caller]
fn is_in(answer: &Answer, seconds: u64) {
    let left = left(answer);
    assert!((seconds - 30..=seconds).contains(&left[0]), "{left:?} seconds, and not {seconds}");
}

#[test]
fn the_times_follow_from_the_start() {
    for keys in [&[][..], &[("clock", "boot")], &[("respawn", "always")], &[("context", "")]] {
        let subject = keys.iter().fold(subject(), |subject, (key, value)| subject.key(key, value));
        // The times that `next` prints are to a second.
        let subject = subject.every(3_000_000, "print ran").key("delay", "600000");
        let daemon = subject.start();
        let runs = left(&next(&subject, "3"));
        assert_eq!(runs.len(), 3, "{keys:?}");
        assert!((570..=600).contains(&runs[0]), "{keys:?}: {runs:?}");
        assert_eq!(runs[1] - runs[0], 3_000, "{keys:?}");
        // Seconds are not shown from an hour on.
        assert!((runs[0] + 6_000 - 60..=runs[0] + 6_000).contains(&runs[2]), "{keys:?}: {runs:?}");
        let status = subject.act("status");
        status.runs(daemon);
        assert!(status.next_run.as_deref().unwrap_or_default().contains(", in 9m "), "{status:?}");
        // A run for a caller changes no time.
        subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
        is_in(&next(&subject, "1"), 600);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

#[test]
fn after_a_run_the_next_one_is_due() {
    for missed in ["skip", "burst", "delay"] {
        let subject = subject().every(1_000_000, "print ran; print end").key("missed", missed);
        subject.start();
        subject.log_with("end");
        is_in(&next(&subject, "1"), 1_000);
        subject.act("stop");
    }
}

#[test]
fn during_a_run_the_next_one_is_due_as_if_it_ended_now() {
    for missed in ["skip", "burst", "delay"] {
        let subject = subject();
        let go = subject.path("go");
        let subject =
            subject.every(1_000_000, format!("print ran; until {}", go.display())).key("missed", missed);
        let daemon = subject.start();
        subject.log_with("ran");
        is_in(&next(&subject, "1"), 1_000);
        fs::write(&go, "").unwrap();
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

#[test]
fn a_daemon_that_cannot_be_asked_has_no_next_run() {
    let subject = subject().every(HOUR, "");
    let why =
        "subject: failed to list the next runs: it is not running, and its runs are counted from its start";
    next(&subject, "1").fails(1, why);
    subject.left_nothing();
    let daemon = subject.start();
    is_in(&next(&subject, "1"), u64::from(HOUR) / 1_000);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    next(&subject, "1").fails(1, why);
}

#[test]
fn a_run_whose_place_a_made_up_one_takes_is_not_the_next() {
    const PERIOD: u32 = 20_000;
    let subject = subject().every(PERIOD, "print ran").key("catch_up", "").key("delay", HOUR.to_string());
    let state = subject.path("state");
    let subject = subject.key("state", &state);
    // The next one is due in a second.
    let due = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let due = due.checked_sub(Duration::from_secs(39)).unwrap();
    fs::write(&state, format!("daemonic 1 due={0} ended={0}\n", due.as_nanos())).unwrap();
    let daemon = subject.start();
    wait_until("the time of the next one to pass", || left(&next(&subject, "1"))[0] > 10);
    // A call takes the place of both.
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert!(left(&next(&subject, "1"))[0] > 0);
    assert_eq!(subject.log_text(), "ran\n");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_run_that_waits_for_its_jitter_or_for_a_call_is_still_the_next() {
    const LONG: u32 = 1_000 * HOUR;
    let subject_with_jitter = subject().every(1_000_000, "print ran").key("jitter", LONG.to_string());
    let daemon = subject_with_jitter.start();
    // The times of the later runs do not depend on the jitter.
    let runs = left(&next(&subject_with_jitter, "2"));
    assert!(runs[0] == 0 && (970..=1_000).contains(&runs[1]), "{runs:?}");
    subject_with_jitter.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(left(&next(&subject_with_jitter, "1")), [0]);
    subject_with_jitter.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_single_run_in_the_foreground_has_no_next_one() {
    let subject = subject();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("print ran; until {}", go.display()));
    let once = subject.wrapped(&["env"], "once").stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !subject.act("status").stdout.contains("last run") {
        assert!(Instant::now() < deadline, "no run begins");
    }
    let status = subject.act("status");
    assert_eq!(status.next_run, None, "{status:?}");
    fs::write(&go, "").unwrap();
    assert!(once.wait_with_output().unwrap().status.success());
}
