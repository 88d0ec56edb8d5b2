//! `--all`: the status and the stop of every daemon of a program.

use std::fs;
use std::process::Command;

use common::{Answer, Process, Subject, root_or_skip, wait_until};

/// A program of its own, so that the daemons of other tests are none of its.
fn subject() -> Subject {
    Subject::new().open_to_all()
}

fn all(subject: &Subject, action: &str) -> Answer {
    let mut command = subject.action("--all");
    command.arg(action);
    Answer::of(command)
}

/// Starts an instance with a pidfile of its own.
fn instance(subject: &Subject, name: &str) -> Process {
    let mut start = subject.action("start");
    start.env("SUBJECT_PIDFILE", subject.path(&format!("{name}.pid"))).env("SUBJECT_NAME", "subject");
    Answer::of(start).started()
}

/// Replaces the times since the starts, which differ.
fn without_times(text: &str) -> String {
    let line = |line: &str| match (line.find(", up "), line.find("; ")) {
        (Some(begin), Some(end)) => format!("{}{}\n", &line[..begin], &line[end..]),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn status_all_lists_each_instance_with_its_pidfile_in_their_order() {
    let subject = subject();
    all(&subject, "status").says(3, "subject: not running");
    let (two, one) = (instance(&subject, "two"), instance(&subject, "one"));
    let answer = all(&subject, "status");
    let line = |process: Process, name: &str| {
        format!("subject: running (pid {process}; {})\n", subject.path(&format!("{name}.pid")).display())
    };
    assert_eq!(without_times(&answer.stdout), line(one, "one") + &line(two, "two"));
    assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""));
}

#[test]
fn stop_all_stops_each_instance_and_nothing_else() {
    let subject = subject();
    let (one, two) = (instance(&subject, "one"), instance(&subject, "two"));
    // A daemon of another program, at a pidfile in the same directory.
    let other = Subject::new().key("pidfile", subject.path("other.pid"));
    let stranger = other.start();
    // A process of the same program that is no daemon.
    let runner =
        subject.action("converse").stdin(std::process::Stdio::piped()).spawn().expect("the subject runs");
    let text = format!(
        "subject: stopped (pid {one}; {})\nsubject: stopped (pid {two}; {})",
        subject.path("one.pid").display(),
        subject.path("two.pid").display()
    );
    all(&subject, "stop").says(0, &text);
    assert!(stranger.is_alive() && Process(runner.id().try_into().expect("a pid")).is_alive());
    assert!(!subject.path("one.pid").exists() && !subject.path("two.pid").exists());
    all(&subject, "stop").says(0, "subject: not running");
    drop(Answer::from(runner));
}

#[test]
fn stop_all_uses_the_keys_of_the_program_that_is_called() {
    let subject = subject().key("stop_timeout", "0").graceful("park");
    let one = instance(&subject, "one");
    let text = format!(
        "subject: killed (pid {one}; {}): did not exit within 0s of SIGTERM",
        subject.path("one.pid").display()
    );
    all(&subject, "stop").says(0, &text);
}

#[test]
fn a_daemon_whose_program_was_replaced_is_found() {
    let subject = subject();
    let one = instance(&subject, "one");
    let (path, new) = (subject.path("subject"), subject.path("new"));
    assert!(Command::new("cp").args([&path, &new]).status().expect("cp runs").success());
    fs::rename(&new, &path).expect("an upgrade");
    let text = format!("subject: stopped (pid {one}; {})", subject.path("one.pid").display());
    all(&subject, "stop").says(0, &text);
}

#[test]
fn supervised_daemons_and_those_in_the_foreground_are_found_once() {
    let subject = subject().key("respawn", "always").body("park");
    let supervisor = instance(&subject, "one");
    wait_until("the body", || all(&subject, "status").stdout.contains("; body "));
    let mut run = subject.action("run");
    run.env_remove("SUBJECT_RESPAWN").env("SUBJECT_PIDFILE", subject.path("two.pid"));
    let child = run.spawn().expect("the subject runs");
    wait_until("both", || all(&subject, "status").stdout.lines().count() == 2);
    let answer = all(&subject, "stop");
    assert_eq!(answer.stdout.lines().count(), 2, "{answer:?}");
    assert!(answer.stdout.contains(&format!("(pid {supervisor};")), "{answer:?}");
    assert!(answer.stdout.contains(&format!("(pid {};", child.id())), "{answer:?}");
    drop(Answer::from(child));
}

#[test]
fn a_user_sees_and_stops_only_what_it_may() {
    if !root_or_skip() {
        return;
    }
    let subject = subject();
    let roots = instance(&subject, "roots");
    let mut start = subject.by_nobody("start");
    start.env_remove("SUBJECT_STDOUT").env("SUBJECT_PIDFILE", subject.path("nobodys.pid"));
    let nobodys = Answer::of(start).started();
    let mut stop = subject.by_nobody("--all");
    stop.arg("stop");
    let text = format!("subject: stopped (pid {nobodys}; {})", subject.path("nobodys.pid").display());
    Answer::of(stop).says(0, &text);
    assert!(roots.is_alive());
    let mut status = subject.by_nobody("--all");
    status.arg("status");
    Answer::of(status).says(3, "subject: not running");
}

#[test]
fn all_goes_with_status_and_stop_only() {
    let text = "subject: `--all` goes with `status` and `stop` only, not with `reload`";
    all(&Subject::new(), "reload").fails(2, text);
}
