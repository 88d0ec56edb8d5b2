//! Runs that were due while the daemon was down, and the file with the time of the last success.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::notice::Notice;
use common::{Answer, Subject, now, root_or_skip, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

const HOUR: u32 = 3_600_000;
const SECOND: Duration = Duration::from_secs(1);

/// A daemon that makes up for runs, with the file `state`.
fn subject(every: u32, body: &str) -> Subject {
    let subject = Subject::new().every(every, body).key("catch_up", "");
    let state = state(&subject);
    subject.key("state", state)
}

fn state(subject: &Subject) -> PathBuf {
    subject.path("state")
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

fn ago(time: Duration) -> Duration {
    wall().checked_sub(time).unwrap()
}

/// Writes a success whose run was due, and ended, at these times.
fn remember(path: &Path, due: Duration, ended: Duration) {
    fs::write(path, format!("daemonic 1 due={} ended={}\n", due.as_nanos(), ended.as_nanos())).unwrap();
}

/// Reads when the run of the last success was due, and when it ended.
fn remembered(path: &Path) -> Option<(Duration, Duration)> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.strip_prefix("daemonic 1 due=")?.strip_suffix('\n')?;
    let (due, ended) = rest.split_once(" ended=")?;
    let nanos = |text: &str| text.parse().ok().map(Duration::from_nanos);
    Some((nanos(due)?, nanos(ended)?))
}

#[track_caller]
fn has_success_of_now(path: &Path) {
    wait_until("a success of now", || {
        let is_of_now = |ended| ended <= wall() && ended + 20 * SECOND > wall();
        remembered(path).is_some_and(|(due, ended)| due <= ended && is_of_now(ended))
    });
}

/// Returns the daemon's lines about missed runs and the state file.
fn lines(subject: &Subject) -> Vec<String> {
    let is_about = |text: &&str| text.contains("making up") || text.contains("state file");
    let log = subject.raw_log();
    Notice::all(&log).iter().map(|notice| notice.message).filter(is_about).map(Into::into).collect()
}

#[test]
fn the_first_run_of_all_is_at_once_and_its_success_is_kept() {
    let subject = subject(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    has_success_of_now(&state(&subject));
    assert_eq!(fs::metadata(state(&subject)).unwrap().permissions().mode() & 0o7777, 0o644);
    assert!(!subject.path("state.new").exists());
    assert_eq!(lines(&subject), [""; 0]);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(state(&subject).exists());
}

#[test]
fn a_missed_run_is_made_up_for_once_at_the_next_start() {
    for missed in ["skip", "burst", "delay"] {
        let subject = subject(HOUR, "print ran").key("missed", missed);
        let due = ago(SECOND * (3600 * 10 + 1800));
        remember(&state(&subject), due, due);
        let daemon = subject.start();
        subject.log_with("ran");
        has_success_of_now(&state(&subject));
        let line = &lines(&subject)[0];
        assert!(line.starts_with("subject: making up for a run, which was due 9h 30m"), "{line}");
        // It sleeps until the next run, which comes when it would have come.
        wait_until("the pause", || daemon.status("State").starts_with('S'));
        assert_eq!(subject.log_text(), "ran\n", "{missed}");
        subject.act("stop");
    }
}

#[test]
fn a_run_that_is_made_up_for_counts_towards_times() {
    let subject = subject(HOUR, "print ran").key("times", "1");
    let due = ago(SECOND * 7200);
    remember(&state(&subject), due, due);
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(subject.log_text(), "ran\n");
}

#[test]
fn a_run_that_is_made_up_for_waits_for_the_delay() {
    let subject = subject(HOUR, "print ran").key("delay", HOUR.to_string());
    let due = ago(SECOND * 7200);
    remember(&state(&subject), due, due);
    let daemon = subject.start();
    wait_until("the line", || !lines(&subject).is_empty());
    wait_until("the pause", || daemon.status("State").starts_with('S'));
    assert_eq!(subject.log_text(), "");
    // A call waits for nothing.
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(subject.log_text(), "ran\n");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_run_that_is_due_before_a_made_up_one_has_ended_is_skipped() {
    const MILLISECOND: u128 = 1_000_000;
    for (missed, is_skipped) in [("skip", true), ("burst", false)] {
        let subject = subject(2000, "stamp").key("delay", "1500").key("times", "2").key("missed", missed);
        // One is due in a second, while the daemon waits for the delay, and the next one two seconds later.
        let due = ago(SECOND * 21);
        remember(&state(&subject), due, due);
        assert_eq!(subject.start().exit_code(), 0);
        let stamps: Vec<u128> = subject.log_text().lines().filter_map(|line| line.parse().ok()).collect();
        let pause = stamps[1] - stamps[0];
        assert_eq!(pause > 300 * MILLISECOND, is_skipped, "{missed}: {stamps:?}");
        let line = "1 run is skipped: the run before ended 20s ";
        assert_eq!(subject.raw_log().contains(line), is_skipped, "{}", subject.raw_log());
    }
}

#[test]
fn a_call_that_succeeds_takes_the_place_of_a_run_that_is_to_be_made_up_for() {
    let subject = subject(HOUR, "print ran").key("delay", "1000").key("times", "2");
    // The next one is due in two seconds.
    let due = ago(SECOND * (7200 - 2));
    remember(&state(&subject), due, due);
    let daemon = subject.start();
    wait_until("the line", || !lines(&subject).is_empty());
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
    let (kept, _) = remembered(&state(&subject)).unwrap();
    let off = kept.abs_diff(due + SECOND * 7200);
    assert!(off < Duration::from_millis(50), "the last run was due {off:?} away from its time");
}

#[test]
fn a_call_that_fails_takes_the_place_of_no_run() {
    let subject = subject(HOUR, "first fail x; print ran").key("delay", "1000").key("on_error", "continue");
    let due = ago(SECOND * 7200);
    remember(&state(&subject), due, due);
    subject.start();
    wait_until("the line", || !lines(&subject).is_empty());
    assert_eq!(subject.act("once").status.code(), Some(1));
    subject.log_with("ran");
    subject.act("stop");
}

#[test]
fn the_phase_stays_when_no_run_was_missed() {
    const MILLISECOND: u128 = 1_000_000;
    let subject = subject(1500, "stamp").key("times", "2");
    let (begin, due) = (now(), ago(Duration::from_millis(500)));
    // It took some time, which must not count.
    remember(&state(&subject), due, due + Duration::from_millis(300));
    assert_eq!(subject.start().exit_code(), 0);
    let stamps: Vec<u128> = subject.log_text().lines().map(|line| line.parse().unwrap()).collect();
    // The clocks are read one after the other.
    assert!(stamps[0] + 50 * MILLISECOND >= begin + 1000 * MILLISECOND, "early: {begin} {stamps:?}");
    assert!(stamps[0] < begin + 1300 * MILLISECOND + 1000 * MILLISECOND, "late: {begin} {stamps:?}");
    assert!(stamps[1] >= stamps[0] + 1000 * MILLISECOND, "{stamps:?}");
    assert_eq!(lines(&subject), [""; 0]);
    let (kept, _) = remembered(&state(&subject)).unwrap();
    let off = kept.abs_diff(due).as_millis() % 1500;
    assert!(off.min(1500 - off) < 50, "the phase has moved by {off} ms");
}

#[test]
fn the_phase_survives_a_run_that_is_made_up_for() {
    let subject = subject(HOUR, "print ran");
    let due = ago(SECOND * (3600 * 3 + 600));
    remember(&state(&subject), due, due + SECOND);
    subject.start();
    subject.log_with("ran");
    has_success_of_now(&state(&subject));
    let (kept, _) = remembered(&state(&subject)).unwrap();
    let off = kept.abs_diff(due).as_millis() % u128::from(HOUR);
    assert!(off.min(u128::from(HOUR) - off) < 50, "the phase has moved by {off} ms");
}

#[test]
fn a_run_that_was_killed_or_has_failed_is_made_up_for() {
    let subject = subject(HOUR, "print ran; park");
    let due = ago(SECOND * 7200);
    remember(&state(&subject), due, due);
    let daemon = subject.start();
    subject.log_with("ran");
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    assert_eq!(remembered(&state(&subject)), Some((due, due)));

    let subject = subject.body("print failed; fail x");
    assert_eq!(subject.start().exit_code(), 1);
    assert_eq!(remembered(&state(&subject)), Some((due, due)));

    let subject = subject.body("print again");
    subject.start();
    subject.log_with("again");
    has_success_of_now(&state(&subject));
    assert_eq!(lines(&subject).len(), 3, "{:?}", lines(&subject));
}

#[test]
fn a_file_that_is_damaged_or_dated_in_the_future_is_reported_and_ignored() {
    let future = wall() + SECOND * 3600;
    let dated = format!("daemonic 1 due={0} ended={0}\n", future.as_nanos());
    for (text, reason) in [
        (String::new(), "it is damaged"),
        ("1764205200\n".into(), "it is damaged"),
        (format!("{dated}{dated}"), "it is damaged"),
        ("daemonic 1 due=2 ended=1\n".into(), "it is damaged"),
        ("x".repeat(100_000), "it is damaged"),
        (dated, "it is dated in the future, "),
    ] {
        let subject = subject(HOUR, "print ran");
        fs::write(state(&subject), &text).unwrap();
        subject.start();
        subject.log_with("ran");
        has_success_of_now(&state(&subject));
        let expected = format!("subject: ignoring the state file {}: {reason}", state(&subject).display());
        let lines = lines(&subject);
        assert!(lines.len() == 1 && lines[0].starts_with(&expected), "{lines:?}");
    }
}

#[test]
fn a_single_run_reports_a_damaged_file_too() {
    let subject = subject(HOUR, "print ran");
    fs::write(state(&subject), "x").unwrap();
    let answer = subject.act("once");
    let expected = format!("subject: ignoring the state file {}: it is damaged", state(&subject).display());
    assert!(answer.stderr.contains(&expected), "{answer:?}");
    has_success_of_now(&state(&subject));
}

#[test]
fn a_device_or_a_fifo_makes_the_start_fail_and_is_not_replaced() {
    let subject = subject(HOUR, "print ran");
    mkfifo(&state(&subject), Mode::S_IRWXU).unwrap();
    let path = state(&subject);
    let text = format!(
        "subject: failed to start: `state` is {}, a FIFO; give it the path of a regular file",
        path.display()
    );
    for action in ["start", "run"] {
        subject.act(action).fails(1, &text);
    }
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
    for path in ["/", "/.."] {
        let subject = Subject::new().every(HOUR, "").key("catch_up", "").key("state", path);
        let text = format!(
            "subject: failed to start: `state` is {path}, which names no file; give it the path of a regular file"
        );
        subject.act("start").fails(1, &text);
    }
}

#[test]
fn a_directory_is_no_file() {
    let subject = subject(HOUR, "print ran");
    fs::create_dir(state(&subject)).unwrap();
    subject.start();
    subject.log_with("ran");
    let path = state(&subject);
    let expected = format!("subject: ignoring the state file {}: Is a directory", path.display());
    assert_eq!(lines(&subject)[0], expected);
    assert!(path.is_dir());
    subject.act("stop");
}

#[test]
fn a_file_of_another_kind_is_not_followed() {
    let subject = subject(HOUR, "print ran");
    let target = subject.path("target");
    fs::write(&target, "precious\n").unwrap();
    symlink(&target, state(&subject)).unwrap();
    subject.start();
    subject.log_with("ran");
    has_success_of_now(&state(&subject));
    assert!(!fs::symlink_metadata(state(&subject)).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(target).unwrap(), "precious\n");
    assert_eq!(lines(&subject).len(), 1);
}

#[test]
fn a_daemon_goes_on_if_the_file_cannot_be_replaced() {
    let subject = subject(1, "print ran").key("times", "2");
    fs::create_dir_all(state(&subject).join("full")).unwrap();
    assert_eq!(subject.start().exit_code(), 0);
    let lines = lines(&subject);
    let cannot = format!("subject: cannot write the state file {}: ", state(&subject).display());
    assert!(lines.len() == 3 && lines[1..].iter().all(|line| line.starts_with(&cannot)), "{lines:?}");
    assert!(!subject.path("state.new").exists());
}

#[test]
fn what_a_killed_daemon_has_left_does_not_matter() {
    let subject = subject(HOUR, "print ran");
    fs::write(subject.path("state.new"), "half").unwrap();
    subject.start();
    has_success_of_now(&state(&subject));
    assert!(!subject.path("state.new").exists());
}

#[test]
fn a_request_changes_no_due_time_of_the_next_start() {
    for in_daemon in [false, true] {
        let subject = subject(HOUR, "print ran");
        let due = ago(SECOND * 600);
        remember(&state(&subject), due, due + SECOND);
        if in_daemon {
            subject.start();
        }
        assert_eq!(subject.act("once").status.code(), Some(0));
        has_success_of_now(&state(&subject));
        let (kept, _) = remembered(&state(&subject)).unwrap();
        let off = kept.abs_diff(due);
        assert!(off < Duration::from_millis(50), "{off:?}");
        subject.act("stop");
        let subject = subject.body("print second");
        subject.start();
        assert_eq!(lines(&subject), [""; 0]);
        assert!(!subject.log_text().contains("second"));
    }
}

#[test]
fn the_file_must_be_one_of_its_own() {
    for (key, path) in [("pidfile", Subject::pidfile as fn(&Subject) -> PathBuf), ("stdout", Subject::log)] {
        let subject = subject(HOUR, "print ran");
        let file = path(&subject);
        let subject = subject.key("state", &file);
        let file = file.display();
        let text = format!(
            "subject: failed to start: `state` is the file of `{key}`, {file}; give it a path of its own"
        );
        subject.act("start").fails(1, &text);
        subject.left_nothing();
    }
    for (key, set) in [("pidfile", true), ("stdout", false)] {
        let subject = subject(HOUR, "print ran");
        let new = subject.path("state.new");
        let subject = subject.key(key, &new);
        let text = format!(
            "subject: failed to start: `state` is written under the name {} first, which is the file of `{key}`; give it \
             another path",
            new.display()
        );
        subject.act("start").fails(1, &text);
        assert!(!new.exists());
        if set {
            // Under another name of the directory.
            let other = subject.path("other");
            symlink(new.parent().unwrap(), &other).unwrap();
            let subject = subject.key("state", other.join("state"));
            let text = "subject: failed to start: `state` is written under the name of the pidfile first; give it another path";
            subject.act("start").fails(1, text);
        }
    }
    let subject = subject(HOUR, "print ran");
    symlink(subject.pidfile(), state(&subject)).unwrap();
    let text = "subject: failed to start: `state` is the pidfile; give it a path of its own";
    subject.act("start").fails(1, text);
    subject.left_nothing();
    let subject = Subject::new().every(HOUR, "").key("state", subject.path("state"));
    let text = "subject: failed to start: `state` has no effect without `catch_up`; add it";
    subject.act("start").fails(1, text);
}

#[test]
fn a_directory_that_is_missing_or_not_writable_makes_the_start_fail() {
    let subject = subject(HOUR, "print ran");
    let subject = {
        let path = subject.path("missing/state");
        subject.key("state", path)
    };
    subject.act("start").fails_naming(1, &["cannot open the directory of the state file ", "/missing"]);
    subject.left_nothing();
    if !root_or_skip() {
        return;
    }
    let subject = subject.open_to_all();
    let directory = subject.path("roots");
    fs::create_dir(&directory).unwrap();
    let subject = subject.key("state", directory.join("state")).key("user", "nobody");
    subject.act("start").fails_naming(4, &["cannot write to ", "/roots, the directory of the state file: "]);
    subject.left_nothing();
}

#[test]
fn roots_default_is_in_a_directory_of_the_daemons_user() {
    if !root_or_skip() {
        return;
    }
    for (user, uid) in [(None, 0), (Some("nobody"), 65_534)] {
        let name = format!("dmt-state-{}", std::process::id());
        let directory = Path::new("/var/lib").join(&name);
        let subject = subject(HOUR, "print ran").without("state").key("name", &name).key("umask", "77");
        let subject = subject.open_to_all();
        let subject = if let Some(user) = user { subject.key("user", user) } else { subject };
        Answer::of(subject.action("start"));
        has_success_of_now(&directory.join("state"));
        let metadata = fs::metadata(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o7777), (uid, 0o755));
        subject.act("stop");
    }
}

#[test]
fn another_users_default_is_beside_the_default_pidfile() {
    let subject = subject(HOUR, "print ran").without("state").open_to_all();
    let home = subject.path("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).unwrap();
    let mut start = if geteuid().is_root() { subject.by_nobody("start") } else { subject.action("start") };
    start.env("XDG_STATE_HOME", home.join("state"));
    Answer::of(start).started();
    has_success_of_now(&home.join("state/subject.state"));
}

#[test]
fn the_file_is_outside_a_chroot() {
    if !root_or_skip() {
        return;
    }
    for respawn in ["never", "always"] {
        let subject = subject(HOUR, "print ran").open_to_all();
        let root = subject.path("root");
        fs::create_dir(&root).unwrap();
        let subject = subject.key("chroot", &root).key("user", "nobody").key("respawn", respawn);
        let directory = subject.path("nobodys");
        fs::create_dir(&directory).unwrap();
        chown(&directory, Some(65_534), None).unwrap();
        let state = directory.join("state");
        let subject = subject.key("state", &state);
        let due = ago(SECOND * 7200);
        remember(&state, due, due);
        subject.start();
        subject.log_with("ran");
        has_success_of_now(&state);
        assert_eq!(lines(&subject).len(), 1);
    }
}

#[test]
fn a_daemon_that_makes_up_for_nothing_keeps_no_file() {
    let subject = Subject::new().every(HOUR, "print ran");
    let home = subject.path("home");
    let mut start = subject.action("start");
    start.env("XDG_STATE_HOME", &home);
    Answer::of(start).started();
    subject.log_with("ran");
    assert!(!home.exists() && !Path::new("/var/lib/subject").exists());
}

#[test]
fn a_run_that_took_too_long_is_no_success_when_the_daemon_stops_either() {
    let subject = subject(HOUR, "").key("context", "").key("run_timeout", "1");
    let go = subject.path("go");
    let subject = subject.body(format!("print ran; await; print over; until {}", go.display()));
    let daemon = subject.start();
    subject.log_with("over");
    daemon.signal(Signal::SIGTERM);
    fs::write(&go, "").unwrap();
    subject.act("stop");
    assert!(!state(&subject).exists());
}
