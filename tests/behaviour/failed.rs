//! The reason of a death, which a daemon that has been ready leaves in its pidfile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use common::{Answer, Process, Subject, root_or_skip};
use daemonic::{Answer as Answered, Daemon, Exit};
use nix::sys::signal::Signal;

use crate::body::aborting;

/// Fails unless `status` says that the daemon failed some seconds ago, for this reason.
#[track_caller]
fn has_failed(answer: &Answer, reason: &str) {
    let text = answer.stdout.strip_prefix("subject: failed ").and_then(|rest| rest.split_once(" ago"));
    let (ago, rest) = text.unwrap_or_else(|| panic!("{answer:?}"));
    assert!(ago.strip_suffix('s').is_some_and(|ago| ago.parse::<u8>().is_ok()), "{answer:?}");
    assert_eq!((answer.status.code(), rest, &*answer.stderr), (Some(1), &*format!("{reason}\n"), ""));
}

/// Fails unless the pidfile has the PID and then one line.
#[track_caller]
fn has_second_line(subject: &Subject, daemon: Process) {
    let text = subject.pid_text();
    assert!(text.starts_with(&format!("{daemon}\nfailed ")) && text.lines().count() == 2, "{text:?}");
}

/// Starts a daemon that fails soon.
#[track_caller]
fn failed(subject: &Subject) -> Process {
    let daemon = subject.start();
    daemon.wait_until_gone();
    daemon
}

/// Writes the second line of a death into the pidfile.
fn write(subject: &Subject, seconds: u64, rest: &str) {
    fs::write(subject.pidfile(), format!("42\nfailed {seconds} {rest}\n")).unwrap();
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_daemon_that_fails_leaves_the_reason() {
    for (body, reason) in [
        ("fail the disk is full", " (exit 1): the disk is full: the cause"),
        ("code 9", " (exit 9)"),
        #[cfg(target_env = "gnu")]
        ("exit 7", " (exit 7)"),
    ] {
        let subjects = [
            Subject::new().body(body),
            Subject::new().graceful(body),
            Subject::new().every(10, body),
            Subject::new().graceful(format!("ready; {body}")).key("wait_ready", "20000"),
        ];
        for subject in subjects {
            let daemon = failed(&subject);
            has_second_line(&subject, daemon);
            has_failed(&subject.act("status"), reason);
            assert_eq!(subject.processes(), []);
        }
    }
}

#[test]
fn a_panic_has_its_place() {
    for subject in [Subject::new().body("panic all is lost"), Subject::new().every(10, "panic all is lost")] {
        let daemon = failed(&subject);
        has_second_line(&subject, daemon);
        let answer = subject.act("status");
        let (_, reason) = answer.stdout.split_once(" ago (exit 101): panicked at ").unwrap();
        let (place, text) = reason.split_once(": ").unwrap();
        let (file, line) = place.rsplit_once(':').unwrap();
        assert!(file.ends_with("src/bin/subject.rs") && line.parse::<u32>().is_ok(), "{answer:?}");
        assert_eq!((text, answer.status.code()), ("all is lost\n", Some(1)));
    }
}

#[test]
fn a_panic_that_aborts_has_its_place() {
    let subject = aborting().body("panic the reason");
    let daemon = subject.start();
    assert_eq!(daemon.killer(), Signal::SIGABRT);
    has_second_line(&subject, daemon);
    let answer = subject.act("status");
    let (_, reason) = answer.stdout.split_once(" ago: killed by SIGABRT: panicked at ").unwrap();
    assert!(reason.contains("src/bin/subject.rs:") && reason.ends_with(": the reason\n"), "{answer:?}");
}

#[test]
fn a_daemon_that_ends_well_leaves_no_file() {
    for body in ["nothing", "code 0", "exit 0"] {
        let subject = Subject::new().body(body);
        failed(&subject);
        subject.left_nothing();
    }
}

#[test]
fn a_daemon_that_was_stopped_leaves_no_file_however_it_ends() {
    for end in ["code 0", "fail x", "code 3", "exit 3", "panic x"] {
        let subject = Subject::new().graceful(format!("wait; {end}"));
        let daemon = subject.start();
        daemon.signal(Signal::SIGTERM);
        daemon.wait_until_gone();
        subject.left_nothing();
    }
}

#[test]
fn a_start_that_fails_before_it_is_ready_leaves_no_file() {
    for end in ["fail x", "code 3", "exit 3", "panic x", "code 0"] {
        let subject = Subject::new().graceful(end).key("wait_ready", "20000");
        assert_eq!(subject.act("start").status.code(), Some(1), "{end}");
        subject.left_nothing();
        let subject = Subject::new().body(end).key("wait_alive", "20000");
        assert_eq!(subject.act("start").status.code(), Some(1), "{end}");
        subject.left_nothing();
    }
    let subject = aborting().key("wait_ready", "20000").graceful("panic x");
    assert_eq!(subject.act("start").status.code(), Some(1));
    subject.left_nothing();
}

#[test]
fn a_daemon_that_fails_after_wait_alive_leaves_the_reason() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.body(format!("until {}; fail x", go.display())).key("wait_alive", "50");
    let daemon = subject.start();
    fs::write(&go, "").unwrap();
    daemon.wait_until_gone();
    has_second_line(&subject, daemon);
    has_failed(&subject.act("status"), " (exit 1): x: the cause");
}

#[test]
fn a_daemon_in_a_chroot_with_another_user_leaves_the_reason() {
    if !root_or_skip() {
        return;
    }
    for body in ["fail x", "code 1"] {
        let subject = Subject::new().key("user", "nobody").body(body);
        let jail = subject.path("jail");
        fs::create_dir(&jail).unwrap();
        let subject = subject.key("chroot", &jail);
        let daemon = failed(&subject);
        has_second_line(&subject, daemon);
        let reason = if body == "code 1" { " (exit 1)" } else { " (exit 1): x: the cause" };
        has_failed(&subject.act("status"), reason);
        assert_eq!(fs::metadata(subject.pidfile()).unwrap().permissions().mode() & 0o777, 0o644);
    }
}

#[test]
fn a_run_that_fails_leaves_the_reason() {
    for (body, code, reason) in [
        ("fail x", 1, " (exit 1): x: the cause"),
        ("code 9", 9, " (exit 9)"),
        #[cfg(target_env = "gnu")]
        ("exit 7", 7, " (exit 7)"),
    ] {
        let subject = Subject::new().body(body);
        assert_eq!(subject.act("run").status.code(), Some(code));
        has_failed(&subject.act("status"), reason);
    }
    let subject = Subject::new().body("code 0");
    assert_eq!(subject.act("run").status.code(), Some(0));
    subject.left_nothing();
}

#[test]
fn every_action_that_starts_or_stops_clears_the_reason() {
    let subject = Subject::new();
    write(&subject, 1, "exit 1: x");
    subject.act("stop").says(0, "subject: not running");
    subject.left_nothing();
    subject.act("status").says(3, "subject: not running");
    for action in ["start", "restart"] {
        write(&subject, 1, &format!("exit 1: {}", "x".repeat(400)));
        let daemon = subject.act(action).started();
        assert_eq!(subject.pid_text(), format!("{daemon}\n"));
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
    write(&subject, 1, "exit 1: x");
    let run = subject.run();
    assert_eq!(subject.pid_text(), format!("{}\n", run.process));
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.answer().signal(), Some(Signal::SIGTERM));
    subject.left_nothing();
}

#[test]
fn a_reload_of_a_failed_daemon_finds_none_and_keeps_the_reason() {
    let subject = Subject::new().body("fail x");
    failed(&subject);
    let text = subject.pid_text();
    subject.act("reload").fails(1, "subject: not running");
    assert_eq!(subject.pid_text(), text);
}

#[test]
fn what_a_reason_can_be_is_shown() {
    let subject = Subject::new();
    let now = seconds_since_1970();
    for (rest, shown) in [
        ("killed by SIGSEGV", ": killed by SIGSEGV"),
        ("killed by the kernel: out of memory", ": killed by the kernel: out of memory"),
        ("exit 101: panicked at a.rs:1: x", " (exit 101): panicked at a.rs:1: x"),
    ] {
        write(&subject, now, rest);
        has_failed(&subject.act("status"), shown);
    }
    write(&subject, now + 3_600, "exit 1");
    subject.act("status").says(1, "subject: failed 0s ago (exit 1)");
}

#[test]
fn a_second_line_of_another_shape_is_never_shown() {
    let subject = Subject::new();
    let stale = format!("subject: not running (stale pidfile {})", subject.pidfile().display());
    for text in ["42\nsecret\n", "42\nfailed 1 exit 1", "42\nfailed 1 exit 1: \n"] {
        fs::write(subject.pidfile(), text).unwrap();
        subject.act("status").says(1, &stale);
    }
    for text in [
        "42\nfailed 1764205200 exit 1: secret\nsecret\n",
        "42\nfailed 1764205200 exit 256: secret\n",
        "42\nfailed 1764205200 exit 1: \u{1b}]secret\u{7}\n",
        "x\nfailed 1764205200 exit 1: secret\n",
    ] {
        fs::write(subject.pidfile(), text).unwrap();
        let path = subject.pidfile();
        let reason = format!("{} is not a pidfile: it has {} bytes", path.display(), text.len());
        subject.act("status").fails_naming(4, &[&reason]);
        subject.act("start").fails_naming(1, &[&reason]);
        subject.act("stop").fails_naming(1, &[&reason]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "what is no pidfile stays");
    }
}

#[test]
fn a_message_is_escaped_and_bounded() {
    let subject = Subject::new().body("fail \u{1b}[2J\nsubject: running\r\u{202e}");
    failed(&subject);
    let reason = " (exit 1): \\u{1b}[2J\\nsubject: running\\r\\u{202e}: the cause";
    has_failed(&subject.act("status"), reason);
    let subject = Subject::new().body(format!("fail {}", "ü".repeat(10_000)));
    failed(&subject);
    assert!(subject.pid_text().len() <= 512);
    assert!(subject.act("status").stdout.ends_with("üü…\n"));
}

#[test]
fn another_user_sees_the_reason() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all().body("fail x");
    failed(&subject);
    has_failed(&Answer::of(subject.by_nobody("status")), " (exit 1): x: the cause");
}

#[test]
fn a_file_that_the_body_has_replaced_stays_as_it_is() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.body(format!("until {}; fail x", go.display()));
    let daemon = subject.start();
    fs::remove_file(subject.pidfile()).unwrap();
    fs::write(subject.pidfile(), "7\n").unwrap();
    fs::write(&go, "").unwrap();
    daemon.wait_until_gone();
    assert_eq!(subject.pid_text(), "7\n");
}

#[test]
fn the_answer_has_the_parts() {
    let folder = tempfile::tempdir().unwrap();
    let pidfile: PathBuf = folder.path().join("subject.pid");
    let daemon = Daemon::new("subject").pidfile(&pidfile);
    daemon.run(|| Err::<(), _>("the network is down")).unwrap();
    let outcome = daemon.status().unwrap();
    let Answered::Failed { pidfile: path, exit, message, ago, .. } = outcome.answer() else {
        panic!("{outcome:?}")
    };
    assert_eq!((path, exit, message.as_deref()), (&pidfile, &Exit::Code(1), Some("the network is down")));
    assert!(*ago < Duration::from_secs(60));
    assert_eq!(outcome.pid(), None);
    assert_eq!(*daemon.stop().unwrap().answer(), Answered::NotRunning);
    assert!(!pidfile.exists());
}
