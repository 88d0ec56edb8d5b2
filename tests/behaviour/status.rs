//! `status`, and the answers to words that are no action.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use common::{Answer, Subject, program, root_or_skip, tool_or_skip};
use daemonic::{Action, Answer as Answered, Daemon};
use nix::sys::signal::Signal;

const ACTIONS: &str = "start, stop, restart, ensure, status, reload, logs, check, once, run";

#[test]
fn status_of_a_running_daemon_is_0_and_tells_its_age() {
    let subject = Subject::new();
    let daemon = subject.start();
    subject.act("status").runs(daemon);
}

#[test]
fn status_of_a_stale_pidfile_is_1() {
    let subject = Subject::new();
    let daemon = subject.start();
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    let stale = format!("subject: not running (stale pidfile {})", subject.pidfile().display());
    subject.act("status").says(1, &stale);
    assert_eq!(subject.pid_text(), format!("{daemon}\n"), "status changes nothing");
}

#[test]
fn status_of_a_stopped_daemon_is_3() {
    let subject = Subject::new();
    subject.act("status").says(3, "subject: not running");
    fs::write(subject.pidfile(), "").unwrap();
    subject.act("status").says(3, "subject: not running");
    assert!(subject.pidfile().exists(), "status changes nothing");
}

#[test]
fn status_that_cannot_be_told_is_4() {
    let subject = Subject::new();
    fs::create_dir(subject.pidfile()).unwrap();
    let path = subject.pidfile();
    subject.act("status").fails(
        4,
        &format!("subject: unknown: pidfile {} is a directory, not a regular file", path.display()),
    );
}

#[test]
fn the_age_is_that_of_the_process() {
    let subject = Subject::new();
    let daemon = subject.start();
    File::open(subject.pidfile()).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let answer = subject.act("status");
    answer.runs(daemon);
    assert!(!answer.stdout.contains('h'), "{answer:?}");
}

#[test]
fn the_name_is_in_every_message() {
    let subject = Subject::new().key("name", "my worker");
    subject.act("status").says(3, "my worker: not running");
    let daemon = subject.act("start").pid();
    subject.act("start").fails(1, &format!("my worker: already running (pid {daemon})"));
    subject.act("stop").says(0, &format!("my worker: stopped (pid {daemon})"));
}

#[test]
fn a_missing_or_unknown_action_is_2_and_lists_the_valid_ones() {
    let subject = Subject::new();
    let nothing = subject.command(program("subject"));
    Answer::of(nothing).fails(2, &format!("subject: missing action; use one of {ACTIONS}"));
    for word in ["begin", "", "Start", "start ", "--status"] {
        subject.act(word).fails(2, &format!("subject: unknown action `{word}`; use one of {ACTIONS}"));
    }
    subject.left_nothing();
    assert!(!subject.log().exists());
}

#[test]
fn an_action_that_is_not_text_is_2() {
    let subject = Subject::new();
    let mut command = subject.command(program("whole"));
    command.arg(OsStr::from_bytes(b"st\xffp"));
    let answer = Answer::of(command);
    assert_eq!(answer.status.code(), Some(2));
    assert!(answer.stderr.starts_with("whole: unknown action `st\u{fffd}p`"), "{answer:?}");
}

#[test]
fn a_main_that_returns_the_result_says_the_same_with_1_for_every_error() {
    let subject = Subject::new();
    let act = |actions: &[&str]| {
        let mut command = subject.command(program("result"));
        command.arg(subject.pidfile()).args(actions);
        Answer::of(command)
    };
    act(&["status"]).says(3, "result: not running");
    act(&["stop"]).says(0, "result: not running");
    act(&["reload"]).fails(1, "Error: result: not running");
    act(&["begin"]).fails(1, &format!("Error: result: unknown action `begin`; use one of {ACTIONS}"));
    act(&[]).fails(1, &format!("Error: result: missing action; use one of {ACTIONS}"));
    let started = act(&["start"]);
    started.says(0, &format!("result: started (pid {})", started.pid()));
}

#[test]
fn a_whole_program_knows_help_and_prints_its_usage() {
    let subject = Subject::new();
    let act = |words: &[&str]| {
        let mut command = subject.command(program("whole"));
        command.args(words);
        Answer::of(command)
    };
    for word in ["help", "--help"] {
        let answer = act(&[word]);
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""));
        assert_is_usage(&answer.stdout);
    }
    for words in [&[][..], &["begin"]] {
        let answer = act(words);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""));
        assert_is_usage(&answer.stderr);
    }
    subject.left_nothing();
    let started = act(&["start", "a", "word", "for the body"]);
    let daemon = started.pid();
    started.says(0, &format!("whole: started (pid {daemon})"));
    assert!(daemon.command_line().contains(&"for the body".into()));
    act(&["start"]).fails(1, &format!("whole: already running (pid {daemon})"));
    act(&["stop"]).says(0, &format!("whole: stopped (pid {daemon})"));
}

fn assert_is_usage(text: &str) {
    assert!(text.contains("usage: whole ACTION"), "{text}");
    for action in ACTIONS.split(", ") {
        assert!(text.lines().any(|line| line.trim_start().starts_with(action)), "{action} in {text}");
    }
}

#[test]
fn a_closed_stdout_changes_no_exit_code() {
    let subject = Subject::new();
    assert_eq!(Answer::of(subject.after("exec >&-", "status")).status.code(), Some(3));
    assert_eq!(Answer::of(subject.after("exec >/dev/full", "start")).status.code(), Some(0));
    subject.act("status").runs(subject.processes()[0]);
}

#[test]
fn anybody_may_ask_for_the_status() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let daemon = subject.start();
    Answer::of(subject.by_nobody("status")).runs(daemon);
    Answer::of(subject.by_nobody("start")).fails(1, &format!("subject: already running (pid {daemon})"));
}

#[test]
fn nobody_may_signal_anothers_daemon() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let daemon = subject.start();
    for action in ["stop", "reload", "restart"] {
        Answer::of(subject.by_nobody(action)).fails(
            4,
            &format!(
                "subject: permission denied: cannot signal pid {daemon}: Operation not permitted (os error 1)"
            ),
        );
    }
    subject.act("status").runs(daemon);
}

#[test]
fn a_folder_that_may_not_be_written_is_4() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let closed = subject.path("closed");
    fs::create_dir(&closed).unwrap();
    let pidfile = closed.join("x.pid");
    let denied = format!(
        "subject: permission denied: cannot open pidfile {}: Permission denied (os error 13)",
        pidfile.display()
    );
    let subject = subject.key("pidfile", &pidfile);
    for action in ["start", "restart", "run"] {
        Answer::of(subject.by_nobody(action)).fails(4, &denied);
    }
    Answer::of(subject.by_nobody("status")).says(3, "subject: not running");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    for action in ["start", "stop", "status", "reload"] {
        Answer::of(subject.by_nobody(action)).fails(4, &denied);
    }
    subject.left_nothing();
}

#[test]
fn a_log_that_may_not_be_written_is_4() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    fs::write(subject.log(), "").unwrap();
    fs::set_permissions(subject.log(), fs::Permissions::from_mode(0o600)).unwrap();
    Answer::of(subject.by_nobody("start")).fails(
        4,
        &format!(
            "subject: permission denied: cannot open stdout {}: Permission denied (os error 13)",
            subject.log().display()
        ),
    );
    subject.left_nothing();
}

#[test]
fn a_working_directory_that_may_not_be_entered_is_4() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let closed = subject.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let subject = subject.key("working_directory", &closed);
    Answer::of(subject.by_nobody("start"))
        .fails_naming(4, &["subject: permission denied: ", "working_directory", closed.to_str().unwrap()]);
    subject.left_nothing();
}

#[test]
fn a_stale_pidfile_that_may_not_be_removed_is_no_daemon() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    fs::write(subject.pidfile(), "7\n").unwrap();
    fs::set_permissions(subject.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    Answer::of(subject.by_nobody("stop")).says(0, "subject: not running");
    assert_eq!(subject.pid_text(), "7\n");
}

#[test]
fn a_daemon_of_nobody_works_and_root_can_stop_it() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let daemon = Answer::of(subject.by_nobody("start")).started();
    Answer::of(subject.by_nobody("status")).runs(daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn root_starts_over_somebody_elses_stale_file_in_a_sticky_folder() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let first = Answer::of(subject.by_nobody("start")).started();
    first.signal(Signal::SIGKILL);
    first.wait_until_gone();
    // The log belongs to nobody too. Root may not open it with `O_CREAT`.
    let subject = subject.key("stdout", "/dev/null");
    let second = subject.start();
    subject.act("status").runs(second);
}

/// Returns the same daemon in this process, which has too many threads to start it but can run the
/// other actions.
fn here(subject: &Subject) -> Daemon {
    Daemon::new("subject").pidfile(subject.pidfile())
}

#[test]
fn an_outcome_can_be_matched_on() {
    let subject = Subject::new();
    let outcome = here(&subject).status().unwrap();
    assert_eq!(
        (outcome.answer(), outcome.action(), outcome.pid()),
        (&Answered::NotRunning, Action::Status, None)
    );
    let daemon = subject.start();
    let pid = daemon.0.unsigned_abs();
    let outcome = here(&subject).dispatch(Some("status"), || {}).unwrap();
    assert!(matches!(outcome.answer(), Answered::Running { pid: found, up: Some(_) } if *found == pid));
    assert_eq!(*here(&subject).reload().unwrap().answer(), Answered::Reloaded { pid });
    let outcome = here(&subject).stop().unwrap();
    assert_eq!((outcome.answer(), outcome.pid()), (&Answered::Stopped { pid }, Some(pid)));
    assert_eq!(outcome.to_string(), format!("subject: stopped (pid {pid})"));
    fs::write(subject.pidfile(), "7\n").unwrap();
    let stale = Answered::Stale { pidfile: subject.pidfile() };
    assert_eq!(*here(&subject).status().unwrap().answer(), stale);
}

#[test]
fn an_error_tells_what_it_is_and_where_it_came_from() {
    let subject = Subject::new();
    let error = here(&subject).reload().unwrap_err();
    assert!(error.is_not_running() && !error.is_already_running() && !error.is_usage());
    let error = here(&subject).dispatch("begin", || {}).unwrap_err();
    assert!(error.is_usage() && !error.is_not_running());
    let error = here(&subject).start(|| {}).unwrap_err();
    assert!(error.to_string().contains("threads"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
    let daemon = subject.start();
    let error = here(&subject).run(|| {}).unwrap_err();
    assert!(error.is_already_running());
    assert_eq!(error.pid(), Some(daemon.0.unsigned_abs()));
    subject.act("stop");
    let _locker = subject.lock(&subject.pidfile(), "description", 2, 1);
    assert!(here(&subject).status().unwrap_err().is_unknown());
    let error = here(&subject).pidfile(subject.path("missing/x.pid")).run(|| {}).unwrap_err();
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::NotFound));
}

#[test]
fn anothers_stale_pidfile_that_may_not_be_written_is_4() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    fs::write(subject.pidfile(), "7\n").unwrap();
    Answer::of(subject.by_nobody("start")).fails(
        4,
        &format!(
            "subject: permission denied: cannot open pidfile {}: Permission denied (os error 13)",
            subject.pidfile().display()
        ),
    );
    assert_eq!(subject.pid_text(), "7\n");
}

#[test]
fn root_is_warned_of_a_folder_in_which_anybody_may_replace_the_pidfile() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    fs::set_permissions(subject.path("."), fs::Permissions::from_mode(0o777)).unwrap();
    let answer = subject.act("start");
    assert_eq!(answer.status.code(), Some(0));
    assert_eq!(answer.stdout, format!("subject: started (pid {})\n", answer.pid()));
    assert!(answer.stderr.starts_with("subject: warning: "), "{answer:?}");
    assert!(answer.stderr.contains(subject.pidfile().parent().unwrap().to_str().unwrap()), "{answer:?}");
}

#[test]
fn who_cant_see_a_daemon_in_proc_knows_it_all_the_same() {
    if !root_or_skip()
        || !tool_or_skip(&["unshare", "-m", "mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"])
    {
        return;
    }
    let hidden = "mount -t proc -o hidepid=2 proc /proc; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", hidden];
    let subject = Subject::new().open_to_all();
    let daemon = subject.start();
    let by_nobody = |subject: &Subject, action| Answer::of(subject.wrapped(&wrapper, action));
    by_nobody(&subject, "status").says(0, &format!("subject: running (pid {daemon})"));
    by_nobody(&subject, "start").fails(1, &format!("subject: already running (pid {daemon})"));
    by_nobody(&subject, "stop").fails_naming(4, &["permission denied"]);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    // It belongs to the user nobody now, but `/proc` still hides it.
    let subject = subject.key("user", "nobody");
    let daemon = subject.start();
    by_nobody(&subject, "status").says(0, &format!("subject: running (pid {daemon})"));
    by_nobody(&subject, "stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn what_a_daemon_writes_into_its_pidfile_makes_it_no_less_its() {
    let subject = Subject::new().graceful("wait");
    let daemon = subject.start();
    fs::write(subject.pidfile(), [b'x'; 1000]).unwrap();
    subject.act("status").runs(daemon);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    let restart = subject.act("restart");
    let second = restart.pid();
    restart.says(0, &format!("subject: restarted (pid {second})"));
    fs::write(subject.pidfile(), [b'x'; 1000]).unwrap();
    second.signal(Signal::SIGKILL);
    second.wait_until_gone();
    subject.act("status").fails_naming(4, &["is not a pidfile: it has 1000 bytes"]);
    fs::write(subject.pidfile(), "").unwrap();
}

#[test]
fn the_age_of_another_namespaces_process_is_not_told() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let subject = Subject::new();
    // `/proc` is still that of the outer namespace, with other processes under the same numbers.
    let inside = "\"$0\" start && \"$0\" status && \"$0\" stop; exit $?";
    let answer = Answer::of(subject.wrapped(&["unshare", "-p", "-f", "sh", "-c", inside], "all"));
    let daemon = answer.pid();
    let expected = [
        format!("subject: started (pid {daemon})"),
        format!("subject: running (pid {daemon})"),
        format!("subject: log {}", subject.log().display()),
        format!("subject: stopped (pid {daemon})"),
    ];
    answer.says(0, &expected.join("\n"));
}

#[test]
fn no_line_of_the_daemon_is_lost_where_an_action_writes_into_its_log() {
    for action in ["status", "reload", "start", "stop"] {
        let subject = Subject::new();
        let log = subject.log();
        let daemon = subject.start();
        // A line that the daemon writes between the shell's redirection and the message.
        let commands = format!("exec > {0} 2>&1; echo a line of the daemon >> {0}", log.display());
        Answer::of(subject.after(&commands, action));
        let text = subject.log_text();
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "a line of the daemon", "{action}");
        assert!(second.contains(&format!("pid {daemon}")), "{action}: {text}");
    }
}
