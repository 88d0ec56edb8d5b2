//! A daemon that runs at the times of a cron expression: when a run begins, what ends the wait, what is refused.
//!
//! libfaketime shows the daemon another time of day, and in some tests one that runs sixty times as fast. It does not wake
//! a daemon when the clock is set; the test does that by SIGHUP. That the kernel wakes it, with clocks that are really set,
//! is seen in a virtual machine: `torture::clock_set`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::notice::Notice;
use common::{Answer, Process, Subject, faketime, now, program_with, wait_until};
use nix::sys::signal::Signal;

/// A time that does not come while the tests run.
const NEVER: &str = "0 0 29 2 *";

fn subject() -> Subject {
    Subject::of(&program_with("cron", "subject_cron"))
}

fn at(expression: &str, body: &str) -> Subject {
    subject().key("cron", expression).body(body)
}

/// Prepares an action whose program sees another time, such as `@2026-03-29 01:59:58` in the zone `TZ`.
fn faked(subject: &Subject, library: &Path, zone: &str, time: &str, action: &str) -> Command {
    let [library, zone, time] = [("LD_PRELOAD", library.to_str().unwrap()), ("TZ", zone), ("FAKETIME", time)]
        .map(|(name, value)| format!("{name}={value}"));
    subject.wrapped(&["env", &library, &zone, &time, "FAKETIME_DONT_FAKE_MONOTONIC=1"], action)
}

/// Prepares a start whose daemon has minutes that are seconds.
fn quick(subject: &Subject, library: &Path) -> Command {
    let library = format!("LD_PRELOAD={}", library.display());
    subject.wrapped(&["env", &library, "TZ=UTC", "FAKETIME=@2026-05-05 12:00:30 x60"], "start")
}

fn dates(subject: &Subject) -> Vec<i64> {
    subject.log_text().lines().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn a_run_begins_at_its_time_and_not_before() {
    let Some(library) = faketime::library_or_skip() else { return };
    for (zone, time, expression, due) in [
        ("UTC", "@2026-05-05 12:29:58", "30 12 * * *", 1_777_984_200),
        // The clocks go from two to three.
        ("Europe/Berlin", "@2026-03-29 01:59:58", "30 2 * * *", 1_774_746_000),
        // The clocks go from three back to two, and this is the second two o'clock.
        ("Europe/Berlin", "@2026-10-25 01:59:58", "0 2 * * *", 1_792_886_400),
    ] {
        let subject = at(expression, "date").key("times", "1");
        let subject = if zone == "UTC" { subject.key("context", "") } else { subject };
        let daemon = Answer::of(faked(&subject, &library, zone, time, "start")).started();
        assert_eq!(daemon.exit_code(), 0);
        let dates = dates(&subject);
        assert_eq!(dates.len(), 1, "{}", subject.raw_log());
        assert!((due..due + 5).contains(&dates[0]), "due at {due}, and not at {dates:?}");
        subject.left_nothing();
    }
}

#[test]
fn the_key_timezone_wins_over_the_systems_zone() {
    let Some(library) = faketime::library_or_skip() else { return };
    let subject = at("0 9 * * *", "date").key("timezone", "Asia/Kolkata").key("times", "1");
    // 09:00 in Kolkata is 03:30 in UTC.
    let start = faked(&subject, &library, "UTC", "@2026-05-05 03:29:58", "start");
    assert_eq!(Answer::of(start).started().exit_code(), 0);
    assert!((1_777_951_800..1_777_951_805).contains(&dates(&subject)[0]), "{}", subject.raw_log());
}

#[test]
fn a_call_ends_the_wait_for_a_timer_but_not_for_good() {
    let boot = Subject::new().every(3_600_000, "print ran").key("clock", "boot").key("delay", "3600000");
    for subject in [at(NEVER, "print ran"), boot, at(NEVER, "print ran").key("respawn", "always")] {
        let daemon = subject.start();
        for runs in 1..3 {
            subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
            assert_eq!(subject.log_text(), "ran\n".repeat(runs));
        }
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn a_missed_run_is_made_up_for_once() {
    const YEAR: u64 = 31_536_000;
    let ago = |seconds: u64| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.checked_sub(Duration::from_secs(seconds)).unwrap().as_nanos()
    };
    for (last, lines) in [(9 * YEAR, 1), (1, 0)] {
        let subject = at(NEVER, "print ran").key("catch_up", "").key("times", "2");
        let state = subject.path("state");
        let subject = subject.key("state", &state);
        let kept = format!("daemonic 1 due={0} ended={0}\n", ago(last));
        fs::write(&state, &kept).unwrap();
        let daemon = subject.start();
        if lines == 1 {
            subject.log_with("ran");
            wait_until("a success of now", || fs::read_to_string(&state).is_ok_and(|text| text != kept));
        }
        let about = |text: &&str| text.starts_with("subject: making up for a run, which was due ");
        wait_until("the pause", || daemon.status("State").starts_with('S'));
        let log = subject.raw_log();
        assert_eq!(
            Notice::all(&log).iter().map(|notice| notice.message).filter(about).count(),
            lines,
            "{log}"
        );
        assert_eq!(subject.log_text(), "ran\n".repeat(lines));
        subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
        assert_eq!(subject.log_text(), "ran\n".repeat(lines + 1));
        subject.act("stop");
    }
}

#[test]
fn a_stop_ends_the_wait_at_once_with_0() {
    for keys in [&[][..], &[("context", "")], &[("respawn", "always")], &[("jitter", "3600000")]] {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let subject =
                keys.iter().fold(at(NEVER, "print ran"), |subject, (key, value)| subject.key(key, value));
            let daemon = subject.start();
            wait_until("sleep", || daemon.status("State").starts_with('S'));
            let before = now();
            daemon.signal(signal);
            assert_eq!(daemon.exit_code(), 0, "{keys:?}");
            assert!(now() - before < Duration::from_secs(5).as_nanos());
            assert_eq!(subject.log_text(), "");
            subject.left_nothing();
        }
    }
    let subject = at(NEVER, "print ran");
    let run = subject.run();
    run.process.signal(Signal::SIGINT);
    assert_eq!(run.answer().status.code(), Some(0));
}

#[test]
fn the_wait_costs_a_timer_and_no_thread() {
    for (key, more) in [("umask", 1), ("context", 3)] {
        let subject = at(NEVER, "").key(key, "022");
        let daemon = subject.start();
        assert_eq!(daemon.status("Threads"), "1");
        // The channel to the launcher is closed right after the start.
        wait_until("its descriptors", || daemon.descriptors().len() == 4 + more);
    }
}

#[test]
fn the_wait_makes_no_system_call_of_its_own() {
    let subject = at(NEVER, "");
    let daemon = subject.start();
    wait_until("sleep", || daemon.status("State").starts_with('S'));
    let switches = daemon.status("voluntary_ctxt_switches");
    for _ in 0..10 {
        let other = Subject::new();
        other.start();
        other.act("stop");
    }
    assert_eq!(daemon.status("voluntary_ctxt_switches"), switches);
}

#[test]
fn a_wrong_expression_or_zone_fails_each_start_and_nothing_else() {
    let hour = "`cron` cannot be \"0 24 * * *\": the hour `24` is out of range: use 0 to 23";
    let never =
        "`cron` cannot be \"0 0 30 2 *\": the day of month `30` never comes: no year has one in month `2`";
    let zone = "unknown time zone `Europe/Berlim`: use a name such as `Europe/Berlin` from /usr/share/zoneinfo; if it \
                should be there, the package `tzdata` may be missing or old";
    for (subject, reason) in [
        (at("0 24 * * *", "print ran"), hour),
        (at("0 0 30 2 *", "print ran"), never),
        (at(NEVER, "print ran").key("timezone", "Europe/Berlim"), zone),
    ] {
        for action in ["start", "restart", "ensure", "run"] {
            subject.act(action).fails(1, &format!("subject: failed to start: {reason}"));
            subject.left_nothing();
        }
        subject.act("stop").says(0, "subject: not running");
        subject.act("status").says(3, "subject: not running");
        assert_eq!(subject.log_text(), "");
    }
}

#[test]
fn a_restart_with_a_wrong_zone_leaves_the_daemon_running() {
    let subject = at(NEVER, "");
    let daemon = subject.start();
    let subject = subject.key("timezone", "");
    assert_eq!(subject.act("restart").status.code(), Some(1));
    subject.act("status").runs(daemon);
}

#[test]
fn a_daemon_in_a_chroot_knows_its_zone() {
    if !common::root_or_skip() {
        return;
    }
    let subject = at(NEVER, "");
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", root).key("timezone", "Europe/Berlin");
    let daemon = subject.start();
    subject.act("status").runs(daemon);
}

#[test]
fn runs_that_are_due_during_another_one_are_skipped_with_one_line() {
    let Some(library) = faketime::library_or_skip() else { return };
    // A minute of this daemon is a second, in its sleep too.
    let subject = at("* * * * *", "print ran; first sleep 210000").key("times", "3");
    assert_eq!(Answer::of(quick(&subject, &library)).started().exit_code(), 0);
    let log = subject.raw_log();
    assert_eq!(subject.log_text(), "ran\nran\nran\n", "{log}");
    let skipped: Vec<_> = Notice::all(&log).into_iter().filter(|it| it.message.contains("skipped")).collect();
    assert_eq!(skipped.len(), 1, "{log}");
    assert!(skipped[0].message.contains("3 runs are skipped: the run before ended 3m "), "{log}");
}

#[test]
fn a_daemon_that_was_suspended_across_several_times_runs_once_with_one_line() {
    let Some(library) = faketime::library_or_skip() else { return };
    let subject = at("*/2 * * * *", "print ran");
    let daemon = Answer::of(quick(&subject, &library)).started();
    subject.log_with("ran");
    daemon.signal(Signal::SIGSTOP);
    let runs = |subject: &Subject| subject.log_text().lines().filter(|line| *line == "ran").count();
    let (before, stopped) = (runs(&subject), now());
    wait_until("several times to pass", || now() - stopped > Duration::from_millis(6_500).as_nanos());
    daemon.signal(Signal::SIGCONT);
    wait_until("a run", || runs(&subject) > before);
    daemon.signal(Signal::SIGTERM);
    daemon.wait_until_gone();
    assert_eq!(runs(&subject), before + 1);
    let log = subject.raw_log();
    let late: Vec<_> = Notice::all(&log).into_iter().filter(|it| it.message.contains("suspended")).collect();
    assert_eq!(late.len(), 1, "{log}");
    assert!(late[0].message.contains(" late, and the ") && late[0].level == "WARN", "{log}");
}

/// A daemon with a clock that the test sets.
struct Clock {
    subject: Subject,
    daemon: Process,
    file: PathBuf,
}

impl Clock {
    /// Starts the daemon at three o'clock and some seconds.
    fn at_three(library: &Path, expression: &str) -> Self {
        let subject = at(expression, "print ran");
        let file = subject.path("time");
        fs::write(&file, "@2026-05-05 03:00:20\n").unwrap();
        let words = [
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        ];
        let words =
            ["env", &words[0], &words[1], "TZ=UTC", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
        let daemon = Answer::of(subject.wrapped(&words, "start")).started();
        wait_until("sleep", || daemon.status("State").starts_with('S'));
        Self { subject, daemon, file }
    }

    /// Sets the clock, and returns what the daemon reports about that.
    fn set(&self, time: &str) -> String {
        let reports = || {
            let log = self.subject.raw_log();
            let all = Notice::all(&log).into_iter().filter(|it| it.message.contains("the clock was set"));
            all.map(|it| it.message.to_owned()).collect::<Vec<_>>()
        };
        let before = reports().len();
        let new = self.file.with_extension("new");
        fs::write(&new, format!("@{time}\n")).unwrap();
        fs::rename(&new, &self.file).unwrap();
        self.daemon.signal(Signal::SIGHUP);
        wait_until("the report", || reports().len() > before);
        reports().pop().unwrap()
    }

    fn runs(&self) -> usize {
        self.subject.log_text().lines().filter(|line| *line == "ran").count()
    }
}

#[test]
fn a_clock_that_is_set_is_followed_by_the_rule_of_cron() {
    let Some(library) = faketime::library_or_skip() else { return };
    let day = "2026-05-05";
    // At a fixed time: once, whether the clock jumps over it or repeats it.
    let clock = Clock::at_three(&library, "30 3 * * *");
    let at = |time: &str| clock.set(&format!("{day} {time}"));
    assert!(!at("03:10:20").contains("due"), "ten minutes forward");
    assert!(at("04:10:20").ends_with(", so a run is due"), "an hour forward");
    wait_until("the run", || clock.runs() == 1);
    assert!(!at("03:10:20").contains("due"), "an hour back");
    assert!(!at("03:00:20").contains("due"), "ten minutes back");
    assert!(!at("03:50:20").contains("due"), "forward again, over the same time");
    // A correction makes up for nothing.
    assert!(!at("22:50:20").contains("due"), "nineteen hours forward");
    assert!(!at("03:10:20").contains("due"), "as many back");
    assert!(!clock.set("2030-05-05 04:10:20").contains("due"), "four years forward");
    assert!(!clock.set("2026-05-05 04:10:20").contains("due"), "four years back");
    assert_eq!(clock.runs(), 1);

    // With a star: whenever the clock shows such a time.
    let clock = Clock::at_three(&library, "*/30 * * * *");
    let at = |time: &str| clock.set(&format!("{day} {time}"));
    assert!(!at("03:40:20").contains("due"), "over a time");
    assert!(at("04:00:20").ends_with(", so a run is due"), "to a time");
    wait_until("the run", || clock.runs() == 1);
    assert!(at("03:30:20").ends_with(", so a run is due"), "back to a time");
    wait_until("the run", || clock.runs() == 2);
    clock.subject.act("stop");
}

#[test]
fn the_next_runs_are_listed_whether_or_not_the_daemon_runs() {
    let Some(library) = faketime::library_or_skip() else { return };
    let subject = at("30 2,12 * * *", "print ran").key("timezone", "Europe/Berlin");
    let next = |count: Option<&str>| {
        let mut command = faked(&subject, &library, "UTC", "@2026-03-28 10:10:00", "next");
        command.args(count);
        Answer::of(command)
    };
    let lines = [
        "subject: 2026-03-28 12:30:00 CET (UTC+01:00), in 1h 20m",
        "subject: 2026-03-29 03:00:00 CEST (UTC+02:00), in 14h 50m",
        "subject: 2026-03-29 12:30:00 CEST (UTC+02:00), in 1d",
    ];
    // Some time passes before the program looks.
    let is = |answer: &Answer, lines: &[&str]| {
        let shown = answer
            .stdout
            .replace("1h 19m", "1h 20m")
            .replace("14h 49m", "14h 50m")
            .replace("in 1d 1h", "in 1d");
        assert_eq!((answer.status.code(), shown, &*answer.stderr), (Some(0), lines.join("\n") + "\n", ""));
    };
    is(&next(None), &lines[..1]);
    is(&next(Some("3")), &lines);
    subject.left_nothing();
    let daemon = Answer::of(faked(&subject, &library, "UTC", "@2026-03-28 10:10:00", "start")).started();
    is(&next(Some("2")), &lines[..2]);
    let status = Answer::of(faked(&subject, &library, "UTC", "@2026-03-28 10:10:00", "status"));
    status.runs(daemon);
    let run = status.next_run.as_deref().unwrap_or_default();
    assert!(run.starts_with("2026-03-28 12:30:00 CET (UTC+01:00), in 1h "), "{status:?}");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn next_says_why_there_is_no_time() {
    let usage = |argument: &str| {
        format!("subject: `next` takes a number of runs, such as `next 5`, and not {argument:?}")
    };
    for argument in ["0", "-1", "x"] {
        let subject = at(NEVER, "");
        let mut command = subject.action("next");
        command.arg(argument);
        Answer::of(command).fails(2, &usage(argument));
    }
    subject().act("next").fails(2, "subject: `next` is for a daemon that repeats its body");
    at("0 0 30 2 *", "").act("next").fails(
        1,
        "subject: failed to list the next runs: `cron` cannot be \"0 0 30 2 *\": the day of month `30` never comes: no \
         year has one in month `2`",
    );
}
