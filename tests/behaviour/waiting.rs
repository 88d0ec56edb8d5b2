//! The line on a terminal that says what an action waits for.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

use common::{Answer, Subject, wait_until};
use nix::pty::openpty;

/// An action of a command line, which may have arguments for the body.
fn typed(subject: &Subject, action: &str) -> Command {
    let mut command = subject.action(action);
    command.arg("an argument").env("TERM", "xterm");
    command
}

/// Runs a command whose standard error is a terminal, and returns its answer and what was written to the terminal.
fn on_terminal(mut command: Command) -> (Answer, String) {
    let terminal = openpty(None, None).expect("a terminal");
    let child = command.stderr(Stdio::from(terminal.slave)).spawn().expect("the program runs");
    // The command has the slave open too.
    drop(command);
    let reader = thread::spawn(move || {
        let (mut master, mut text) = (File::from(terminal.master), Vec::new());
        let mut block = [0; 1024];
        // Once no process has the terminal open, a read fails.
        while let Ok(length) = master.read(&mut block) {
            text.extend_from_slice(&block[..length]);
        }
        String::from_utf8(text).expect("text")
    });
    let answer = Answer::from(child);
    (answer, reader.join().expect("no panic"))
}

/// Fails unless the terminal has shown this text with the seconds that were left, fewer each time, and is clear again.
#[track_caller]
fn has_shown(text: &str, begin: &str, end: &str, most: u32) {
    assert!(!text.contains(['\n', '\u{1b}']), "{text:?}");
    let written: Vec<_> = text.split('\r').collect();
    let ["", lines @ .., cleared, ""] = &written[..] else { panic!("{text:?}") };
    assert!(!lines.is_empty() && cleared.trim().is_empty(), "{text:?}");
    // Each covers all of the one before.
    let covers = |pair: &[&str]| pair[1].len() >= pair[0].trim_end().len();
    assert!(written.windows(2).skip(1).take(lines.len()).all(covers), "{text:?}");
    let left = |line: &&str| line.trim_end().strip_prefix(begin)?.strip_suffix(end)?.parse().ok();
    let seconds: Vec<u32> =
        lines.iter().map(|line| left(line).unwrap_or_else(|| panic!("{text:?}"))).collect();
    assert!(seconds[0] <= most && seconds.windows(2).all(|pair| pair[0] > pair[1]), "{text:?}");
}

#[test]
fn a_slow_stop_shows_the_time_that_is_left_and_clears_it() {
    let subject = Subject::new().graceful("await; sleep 1800");
    let daemon = subject.start();
    let (answer, text) = on_terminal(typed(&subject, "stop"));
    assert_eq!(answer.stdout, format!("subject: stopped (pid {daemon})\n"));
    has_shown(&text, &format!("subject: waiting for pid {daemon} to exit ("), "s left before SIGKILL)", 10);
}

#[test]
fn a_slow_start_shows_that_it_waits_for_the_daemon() {
    let subject = Subject::new().key("wait_ready", "20000").graceful("sleep 1500; ready; park");
    let (answer, text) = on_terminal(typed(&subject, "start"));
    let begin = format!("subject: waiting for pid {} to be ready (", answer.started());
    has_shown(&text, &begin, "s left)", 20);
}

#[test]
fn ensure_and_restart_show_what_they_wait_for() {
    let subject = Subject::new().key("wait_ready", "20000").graceful("sleep 1500; ready; await; sleep 1500");
    let mut start = typed(&subject, "start").spawn().expect("the subject runs");
    wait_until("the daemon", || !subject.pid_text().is_empty());
    let (answer, text) = on_terminal(typed(&subject, "ensure"));
    let daemon = answer.pid();
    assert_eq!(answer.stdout, format!("subject: already running (pid {daemon})\n"));
    has_shown(&text, &format!("subject: waiting for pid {daemon} to be ready ("), "s left)", 20);
    assert!(start.wait().expect("an end").success());
    let (answer, text) = on_terminal(typed(&subject, "restart"));
    let next = answer.pid();
    let (stop, start) = text.split_once("\r\r").expect("two waits");
    let begin = format!("subject: waiting for pid {daemon} to exit (");
    has_shown(&format!("{stop}\r"), &begin, "s left before SIGKILL)", 10);
    has_shown(
        &format!("\r{start}"),
        &format!("subject: waiting for pid {next} to be ready ("),
        "s left)",
        20,
    );
}

#[test]
fn a_fast_action_and_one_on_a_dumb_terminal_show_nothing() {
    let subject = Subject::new();
    let (answer, text) = on_terminal(typed(&subject, "start"));
    assert_eq!((answer.status.code(), text.as_str()), (Some(0), ""));
    let (answer, text) = on_terminal(typed(&subject, "stop"));
    assert_eq!((answer.status.code(), text.as_str()), (Some(0), ""));
    let subject = Subject::new().graceful("await; sleep 700");
    subject.start();
    let mut stop = typed(&subject, "stop");
    stop.env("TERM", "dumb");
    let (answer, text) = on_terminal(stop);
    assert_eq!((answer.status.code(), text.as_str()), (Some(0), ""));
}

#[test]
fn a_pipe_and_a_library_call_get_nothing() {
    let subject = Subject::new().graceful("await; sleep 700");
    let daemon = subject.start();
    Answer::of(typed(&subject, "stop")).says(0, &format!("subject: stopped (pid {daemon})"));
    subject.start();
    // Without arguments, the subject calls the dispatcher with a word.
    let mut stop = subject.action("stop");
    stop.env("TERM", "xterm");
    let (answer, text) = on_terminal(stop);
    assert_eq!((answer.status.code(), text.as_str()), (Some(0), ""));
}

#[test]
fn no_color_changes_nothing_because_there_are_no_escape_codes() {
    let subject = Subject::new().graceful("await; sleep 1500");
    let daemon = subject.start();
    let mut stop = typed(&subject, "stop");
    stop.env("NO_COLOR", "1");
    let (_, text) = on_terminal(stop);
    has_shown(&text, &format!("subject: waiting for pid {daemon} to exit ("), "s left before SIGKILL)", 10);
}
