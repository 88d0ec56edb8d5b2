//! Invalid keys: the error names the key, and nothing is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use common::{Answer, Subject};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const ACTIONS: [&str; 5] = ["start", "stop", "restart", "reload", "run"];

/// Fails unless every action reports the same about a path that cannot be a pidfile, and `status`
/// that it is unknown.
#[track_caller]
fn is_no_pidfile(subject: &Subject, reason: &str) {
    let path = subject.pidfile();
    for action in ACTIONS {
        subject.act(action).fails_naming(1, &["subject: failed to ", path.to_str().unwrap(), reason]);
    }
    subject.act("status").fails_naming(4, &["subject: unknown: ", path.to_str().unwrap(), reason]);
    assert_eq!(subject.processes(), []);
}

#[track_caller]
fn start_fails(subject: &Subject, parts: &[&str]) {
    for action in ["start", "restart"] {
        subject.act(action).fails_naming(1, &[&["subject: failed to start: "], parts].concat());
        subject.left_nothing();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_pidfile_in_a_missing_folder_says_which() {
    let subject = Subject::new();
    let folder = subject.path("missing");
    let pidfile = folder.join("x.pid");
    let subject = subject.key("pidfile", &pidfile);
    for action in ["start", "restart", "run"] {
        subject.act(action).fails(
            1,
            &format!(
                "subject: failed to start: cannot open pidfile {}; make the directory {} first: No such file or \
                 directory (os error 2)",
                pidfile.display(),
                folder.display()
            ),
        );
    }
    subject.act("status").says(3, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    assert!(!folder.exists());
    assert!(!subject.log().exists());
    subject.left_nothing();
}

#[test]
fn a_pidfile_in_a_folder_that_is_a_file_is_refused() {
    let subject = Subject::new();
    fs::write(subject.path("file"), "text").unwrap();
    let pidfile = subject.path("file/x.pid");
    let subject = subject.key("pidfile", &pidfile);
    for action in ACTIONS {
        subject.act(action).fails_naming(1, &[text(&pidfile), "Not a directory (os error 20)"]);
    }
    subject.act("status").fails_naming(4, &[text(&pidfile), "Not a directory (os error 20)"]);
    assert_eq!(subject.processes(), []);
}

#[test]
fn a_pidfile_that_is_a_link_is_refused_and_its_target_untouched() {
    let subject = Subject::new();
    let target = subject.path("target");
    fs::write(&target, "precious").unwrap();
    symlink(&target, subject.pidfile()).unwrap();
    is_no_pidfile(&subject, "is a symbolic link");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(fs::read_link(subject.pidfile()).unwrap(), target);
}

#[test]
fn a_pidfile_that_is_a_dangling_link_is_refused_and_nothing_made() {
    let subject = Subject::new();
    let target = subject.path("target");
    symlink(&target, subject.pidfile()).unwrap();
    is_no_pidfile(&subject, "is a symbolic link");
    assert!(!target.exists());
}

#[test]
fn a_pidfile_that_is_a_directory_is_refused() {
    let subject = Subject::new();
    fs::create_dir(subject.pidfile()).unwrap();
    is_no_pidfile(&subject, "is a directory");
    assert!(subject.pidfile().is_dir());
}

#[test]
fn a_pidfile_that_is_a_fifo_is_refused_without_a_wait() {
    let subject = Subject::new();
    mkfifo(&subject.pidfile(), Mode::S_IRWXU).unwrap();
    is_no_pidfile(&subject, "is a FIFO");
}

#[test]
fn a_pidfile_that_is_a_socket_is_refused() {
    let subject = Subject::new();
    let _listener = UnixListener::bind(subject.pidfile()).unwrap();
    is_no_pidfile(&subject, "is a socket");
}

#[test]
fn a_pidfile_that_is_a_device_is_refused() {
    for device in ["/dev/null", "/dev/full"] {
        let subject = Subject::new().key("pidfile", device);
        for action in ACTIONS {
            subject.act(action).fails_naming(1, &[device, "is a device"]);
        }
        subject.act("status").fails_naming(4, &[device, "is a device"]);
        assert_eq!(subject.processes(), []);
    }
}

#[test]
fn a_pidfile_with_a_second_name_is_refused_and_untouched() {
    let subject = Subject::new();
    let other = subject.path("other");
    fs::write(&other, "precious").unwrap();
    fs::hard_link(&other, subject.pidfile()).unwrap();
    is_no_pidfile(&subject, "has 2 hard links");
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
}

#[test]
fn a_longer_file_is_nobodys_pidfile_and_left_as_it_is() {
    let subject = Subject::new();
    let long = "x".repeat(33);
    fs::write(subject.pidfile(), &long).unwrap();
    is_no_pidfile(&subject, "is not a pidfile: it has 33 bytes");
    assert_eq!(subject.pid_text(), long);
}

#[test]
fn a_file_of_32_bytes_can_be_a_pidfile() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "x".repeat(32)).unwrap();
    let daemon = subject.start();
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    for key in ["stdout", "stderr", "stdin"] {
        let subject = Subject::new();
        let log = subject.path("missing/x.log");
        let subject = subject.key(key, &log);
        start_fails(&subject, &["cannot open ", key, text(&log), "No such file or directory (os error 2)"]);
    }
    for key in ["stdout", "stderr"] {
        let subject = Subject::new();
        let folder = subject.path(".").canonicalize().unwrap();
        let subject = subject.key(key, &folder);
        start_fails(&subject, &["cannot open ", key, text(&folder), "Is a directory (os error 21)"]);
    }
}

#[test]
fn an_input_that_is_missing_is_not_made() {
    let subject = Subject::new();
    let input = subject.path("input");
    let subject = subject.key("stdin", &input);
    start_fails(&subject, &["cannot open stdin ", text(&input), "No such file or directory (os error 2)"]);
    assert!(!input.exists());
}

#[test]
fn a_log_that_is_a_fifo_without_a_reader_is_refused_without_a_wait() {
    let subject = Subject::new();
    let log = subject.path("fifo");
    mkfifo(&log, Mode::S_IRWXU).unwrap();
    let subject = subject.key("stdout", &log);
    start_fails(&subject, &["cannot open stdout ", text(&log), "(os error 6)"]);
}

#[test]
fn a_log_that_is_the_pidfile_is_refused() {
    for key in ["stdin", "stdout", "stderr"] {
        let subject = Subject::new();
        let pidfile = subject.pidfile();
        let subject = subject.key(key, &pidfile);
        start_fails(&subject, &[key, "is the pidfile"]);
    }
}

#[test]
fn a_log_that_leads_to_the_pidfile_is_refused() {
    let subject = Subject::new();
    let link = subject.path("link");
    symlink(subject.pidfile(), &link).unwrap();
    let subject = subject.key("stderr", &link);
    start_fails(&subject, &["stderr", "is the pidfile"]);
}

#[test]
fn a_working_directory_that_cannot_be_entered_is_named() {
    let subject = Subject::new();
    let missing = subject.path("missing");
    let subject = subject.key("working_directory", &missing);
    start_fails(&subject, &["working_directory", text(&missing), "No such file or directory (os error 2)"]);
    let file = subject.path("file");
    fs::write(&file, "").unwrap();
    let subject = subject.key("working_directory", &file);
    start_fails(&subject, &["working_directory", text(&file), "Not a directory (os error 20)"]);
}

#[test]
fn a_failed_start_leaves_a_stale_file_no_worse() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    let subject = subject.key("working_directory", "/no/such/folder");
    subject.act("start").fails_naming(1, &["working_directory"]);
    subject.left_nothing();
}

#[test]
fn a_key_that_cannot_be_is_refused_by_every_action() {
    for (key, value, parts) in [
        ("name", "a/b", &["`name`", "`/`"][..]),
        ("name", "", &["`name`"]),
        ("umask", "1000", &["`umask`", "0o777"]),
        ("pidfile", "/tmp/a\\0b", &["`pidfile`", "NUL"]),
        ("pidfile", "", &["`pidfile`"]),
        ("stdout", "", &["`stdout`"]),
        ("working_directory", "", &["`working_directory`"]),
    ] {
        let subject = Subject::new().key(key, value);
        for action in ACTIONS {
            subject.act(action).fails_naming(1, parts);
        }
        subject.act("status").fails_naming(4, parts);
        subject.left_nothing();
        assert!(!subject.log().exists());
    }
}

#[test]
fn a_zero_period_is_refused_and_a_restart_stops_nothing() {
    let subject = Subject::new();
    let daemon = subject.start();
    let subject = subject.every(0, "");
    subject.act("restart").fails_naming(1, &["`every`", "zero"]);
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    for action in ["start", "run"] {
        subject.act(action).fails_naming(1, &["subject: failed to start: ", "`every`", "zero"]);
        subject.left_nothing();
    }
}

#[test]
fn a_pidfile_with_an_unusual_name_works() {
    let subject = Subject::new();
    let pidfile = subject.path("mein Dämon %s 'x' \"y\" \n.pid");
    let subject = subject.key("pidfile", &pidfile);
    let daemon = subject.start();
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(!pidfile.exists());
}

#[test]
fn a_directory_that_is_gone_from_under_the_caller_is_named() {
    let subject = Subject::new().key("pidfile", "relative.pid");
    let commands =
        "mkdir \"$SUBJECT_FOLDER/gone\"; cd \"$SUBJECT_FOLDER/gone\"; rmdir \"$SUBJECT_FOLDER/gone\"";
    Answer::of(subject.after(commands, "start")).fails_naming(1, &["`pidfile`"]);
    subject.left_nothing();
}

#[test]
fn a_directory_is_no_standard_input() {
    let subject = Subject::new().key("stdin", "/");
    subject
        .act("start")
        .fails(1, "subject: failed to start: cannot open stdin /: Is a directory (os error 21)");
    subject.left_nothing();
}
