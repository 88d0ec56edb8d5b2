//! `logs`: the end of a daemon's log, and what is added to it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use common::notice::unstamped;
use common::{Answer, Process, Subject, lines, program, strace_or_skip, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn logs(subject: &Subject, options: &[&str]) -> Answer {
    let mut command = subject.action("logs");
    command.args(options);
    Answer::of(command)
}

/// Returns lines with the numbers from `first` to `last`.
fn numbered(first: u32, last: u32) -> String {
    let lines: Vec<_> = (first..=last).map(|number| format!("line {number}\n")).collect();
    lines.concat()
}

#[test]
fn logs_prints_the_last_fifty_lines_whether_the_daemon_runs_or_not() {
    let subject = Subject::new();
    fs::write(subject.log(), numbered(1, 120)).expect("a log");
    logs(&subject, &[]).says(0, numbered(71, 120).trim_end());
    logs(&subject, &["-n", "2"]).says(0, "line 119\nline 120");
    logs(&subject, &["-n1"]).says(0, "line 120");
    logs(&subject, &["-n", "1000"]).says(0, numbered(1, 120).trim_end());
    assert_eq!(logs(&subject, &["-n", "0"]).stdout, "");
    subject.start();
    logs(&subject, &["-n", "1"]).says(0, "line 120");
}

#[test]
fn a_last_line_without_an_end_is_shown_as_it_is() {
    let subject = Subject::new();
    fs::write(subject.log(), "one\ntwo\nthr").expect("a log");
    assert_eq!(logs(&subject, &["-n", "2"]).stdout, "two\nthr");
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    let subject = Subject::new();
    let bytes: Vec<u8> = (0..=255).collect();
    fs::write(subject.log(), &bytes).expect("a log");
    let output = subject.action("logs").output().expect("output");
    // The byte 10 ends the first of the two lines.
    assert_eq!(output.stdout, bytes);
}

#[test]
fn the_end_of_an_enormous_log_is_found_at_once() {
    let subject = Subject::new();
    let mut log = File::create(subject.log()).expect("a log");
    // Two gigabytes, of which the disk has two lines. A 32-bit program can look at no larger file.
    log.set_len(2_000_000_000).expect("a sparse file");
    log.seek(SeekFrom::End(0)).expect("the end");
    log.write_all(b"\nlast but one\nlast\n").expect("a write");
    let begin = Instant::now();
    logs(&subject, &["-n", "2"]).says(0, "last but one\nlast");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn without_a_log_the_message_names_the_key_that_makes_one() {
    let none = "subject: there is no log: the output is discarded; the key `stdout` makes one, such as \
                `stdout = \"/var/log/example.log\"`";
    logs(&Subject::new().without("stdout"), &[]).fails(2, none);
    logs(&Subject::new().key("stdout", "/dev/null"), &["-f"]).fails(2, none);
}

#[test]
fn what_keeps_no_lines_is_refused() {
    let subject = Subject::new();
    let path = subject.log();
    let refused = |what: &str| {
        let text = format!(
            "subject: failed to show the log: the log {} is {what}, which keeps no lines; only a regular file does",
            path.display()
        );
        logs(&subject, &[]).fails(1, &text);
        logs(&subject, &["-f"]).fails(1, &text);
    };
    mkfifo(&path, Mode::S_IRWXU).expect("a FIFO");
    refused("a FIFO");
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("a directory");
    refused("a directory");
    fs::remove_dir(&path).expect("it is there");
    symlink("/dev/zero", &path).expect("a link");
    refused("a device");
}

#[test]
fn a_missing_log_is_named_with_its_path() {
    let subject = Subject::new();
    let path = subject.log().display().to_string();
    logs(&subject, &[])
        .fails_naming(1, &["subject: failed to show the log: cannot open the log", &path, "No such file"]);
    let subject = subject.key("stdout", "/nonexistent/a.log");
    logs(&subject, &["-f"]).fails_naming(1, &["/nonexistent/a.log", "make the directory /nonexistent first"]);
}

#[test]
fn a_log_that_the_user_may_not_read_is_a_denied_permission() {
    if !common::root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    fs::write(subject.log(), "secret\n").expect("a log");
    fs::set_permissions(subject.log(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    Answer::of(subject.by_nobody("logs")).fails_naming(4, &["permission denied: cannot open the log"]);
}

#[test]
fn a_separate_standard_error_is_named_and_not_shown() {
    let subject = Subject::new();
    let errors = subject.path("errors");
    let subject = subject.key("stderr", &errors);
    fs::write(subject.log(), "out\n").expect("a log");
    fs::write(&errors, "err\n").expect("a log");
    let answer = logs(&subject, &[]);
    assert_eq!(answer.stdout, "out\n");
    let note = format!("subject: standard error goes to {}, which is not shown\n", errors.display());
    assert_eq!(answer.stderr, note);
    // If it is the only log, it is shown.
    logs(&subject.without("stdout"), &[]).says(0, "err");
}

#[test]
fn a_closed_output_is_no_failure() {
    let subject = Subject::new();
    fs::write(subject.log(), numbered(1, 100_000)).expect("a log");
    let script = "\"$0\" logs -n 100000 | true; echo ${PIPESTATUS[0]}";
    let mut command = subject.command("bash");
    command.args(["-c", script]).arg(program("subject"));
    Answer::of(command).says(0, "0");
}

#[test]
fn status_names_the_log_in_a_second_line() {
    let subject = Subject::new();
    let daemon = subject.start();
    let answer = subject.act("status");
    answer.runs(daemon);
    assert_eq!(answer.log, Some(subject.log()));
    // A log that rotation has moved is named by the path to which the next reload brings it back.
    fs::rename(subject.log(), subject.path("subject.log.1")).expect("a rename");
    assert_eq!(subject.act("status").log, Some(subject.log()));
    subject.act("stop");
    let answer = subject.act("status");
    answer.says(3, "subject: not running");
    assert_eq!(answer.log, None);

    let subject = subject.without("stdout");
    subject.start();
    assert_eq!(subject.act("status").log, None);
}

#[test]
fn status_names_the_file_that_the_daemon_really_writes_to() {
    let subject = Subject::new().key("stdout", "relative.log");
    let mut start = subject.action("start");
    start.current_dir(subject.path("."));
    Answer::of(start).started();
    let log = subject.path("relative.log");
    assert_eq!(subject.act("status").log, Some(fs::canonicalize(log).expect("a path")));
    subject.act("stop");
    // In the foreground, standard output is the caller's.
    let run = subject.run();
    assert_eq!(subject.act("status").log, None);
    subject.act("stop");
    drop(run.answer());
}

// ---- following ----

/// `logs -f`, with each of its lines as soon as it comes.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn of(subject: &Subject, options: &[&str]) -> Self {
        let mut command = subject.action("logs");
        command.arg("-f").args(options);
        Self::by(command)
    }

    fn by(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the subject runs");
        let lines = lines(child.stdout.take().expect("stdout"));
        Self { child, lines }
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        for expected in text.lines() {
            assert_eq!(self.next().as_deref(), Ok(expected));
        }
    }

    /// Returns the next line that is no notice of a reload or a stop.
    fn next(&self) -> Result<String, RecvTimeoutError> {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(10))?;
            if !is_notice(&line) {
                return Ok(line);
            }
        }
    }

    fn process(&self) -> Process {
        Process(self.child.id().try_into().expect("a pid"))
    }

    /// Waits until it sleeps in a call that no time ends.
    #[track_caller]
    fn waits(&self) {
        let process = self.process();
        wait_until("the follower to wait", || {
            let call = fs::read_to_string(format!("/proc/{process}/wchan")).unwrap_or_default();
            call.contains("poll")
        });
    }

    /// Keeps it from looking until it gets SIGCONT.
    fn suspend(&self) {
        self.process().signal(Signal::SIGSTOP);
        wait_until("the follower to be stopped", || self.process().status("State").starts_with('T'));
    }

    /// Ends it by a signal, and returns what it has printed since, without such notices.
    fn end(mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        self.process().signal(signal);
        let status = self.child.wait().expect("an end");
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        (signal, self.lines.iter().filter(|line| !is_notice(line)).collect())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_notice(line: &str) -> bool {
    !line.is_empty() && unstamped(line).is_empty()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a log");
    file.write_all(text.as_bytes()).expect("a write");
}

#[test]
fn following_begins_with_the_last_lines_and_shows_what_is_added() {
    let subject = Subject::new();
    append(&subject.log(), &numbered(1, 9));
    let follower = Follower::of(&subject, &["-n", "2"]);
    follower.shows("line 8\nline 9");
    append(&subject.log(), "line 10\nline ");
    append(&subject.log(), "11\n");
    follower.shows("line 10\nline 11");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let follower = Follower::of(&subject, &["-n", "1"]);
        follower.shows("line 11");
        assert_eq!(follower.end(signal), (Some(signal as i32), vec![]));
    }
}

#[test]
fn a_renamed_log_is_followed_until_and_beyond_the_new_one() {
    let subject = Subject::new();
    let (log, old) = (subject.log(), subject.path("subject.log.1"));
    append(&log, "line 1\n");
    let mut daemon = OpenOptions::new().append(true).open(&log).expect("the log");
    let follower = Follower::of(&subject, &[]);
    follower.shows("line 1");
    for round in 0..5 {
        let first = 10 * round + 2;
        fs::rename(&log, &old).expect("a rename");
        // The daemon writes to the renamed file until it reopens its log.
        daemon.write_all(numbered(first, first + 4).as_bytes()).expect("a write");
        let mut renamed = daemon;
        daemon = OpenOptions::new().append(true).create(true).open(&log).expect("a new log");
        renamed.write_all(numbered(first + 5, first + 7).as_bytes()).expect("a write");
        daemon.write_all(numbered(first + 8, first + 9).as_bytes()).expect("a write");
        follower.shows(&numbered(first, first + 9));
        if round == 3 {
            // A compressor removes the renamed file.
            fs::remove_file(&old).expect("it is there");
        }
    }
    append(&log, "the end\n");
    follower.shows("the end");
    assert_eq!(follower.end(Signal::SIGTERM).1, Vec::<String>::new());
}

#[test]
fn a_truncated_log_is_followed_from_its_beginning() {
    let subject = Subject::new();
    append(&subject.log(), &numbered(1, 3));
    let follower = Follower::of(&subject, &[]);
    follower.shows(&numbered(1, 3));
    follower.waits();
    OpenOptions::new().write(true).open(subject.log()).expect("a log").set_len(0).expect("a truncation");
    append(&subject.log(), "line 4\n");
    follower.shows("line 4");
    follower.waits();
    // While the follower cannot look, the log becomes longer than it was.
    follower.suspend();
    OpenOptions::new().write(true).open(subject.log()).expect("a log").set_len(0).expect("a truncation");
    append(&subject.log(), &numbered(5, 20));
    follower.process().signal(Signal::SIGCONT);
    follower.shows(&numbered(5, 20));
    assert_eq!(follower.end(Signal::SIGTERM).1, Vec::<String>::new());
}

#[test]
fn a_missing_log_is_waited_for_even_behind_links() {
    let subject = Subject::new();
    fs::create_dir(subject.path("real")).expect("a directory");
    symlink("real/link", subject.log()).expect("a link");
    symlink("file", subject.path("real/link")).expect("a link");
    let follower = Follower::of(&subject, &[]);
    follower.waits();
    append(&subject.path("real/file"), "line 1\n");
    follower.shows("line 1");
    follower.waits();
    fs::write(subject.path("real/other"), "line 2\n").expect("a file");
    symlink("other", subject.path("real/new")).expect("a link");
    fs::rename(subject.path("real/new"), subject.path("real/link")).expect("a rename");
    follower.shows("line 2");
}

#[test]
fn a_log_is_waited_for_whose_directory_is_removed_and_made_anew() {
    let subject = Subject::new();
    let directory = subject.path("logs");
    let log = directory.join("a.log");
    let subject = subject.key("stdout", log.display().to_string());
    fs::create_dir(&directory).expect("a directory");
    append(&log, "line 1\n");
    let follower = Follower::of(&subject, &[]);
    follower.shows("line 1");
    for round in 0..2 {
        follower.waits();
        // The follower has the log open, and by that the directory is still in use.
        fs::remove_dir_all(&directory).expect("the directory is there");
        fs::create_dir(&directory).expect("a directory");
        let line = format!("line {}\n", round + 2);
        append(&log, &line);
        follower.shows(&line);
    }
}

#[test]
fn a_daemons_log_is_followed_through_reloads_without_a_lost_or_doubled_line() {
    let subject = Subject::new().body("count");
    subject.start();
    let follower = Follower::of(&subject, &["-n", "1000000"]);
    follower.shows("0");
    for round in 0..6 {
        wait_until("some lines", || fs::metadata(subject.log()).is_ok_and(|log| log.len() > 50));
        // Some rotations take place while the follower cannot look.
        match round {
            2 => follower.suspend(),
            5 => follower.process().signal(Signal::SIGCONT),
            _ => {}
        }
        let numbered = |number: u32| subject.path(&format!("subject.log.{number}"));
        for number in (1..=round).rev() {
            fs::rename(numbered(number), numbered(number + 1)).expect("a rename");
        }
        fs::rename(subject.log(), numbered(1)).expect("a rename");
        assert_eq!(subject.act("reload").status.code(), Some(0));
    }
    wait_until("some lines", || fs::metadata(subject.log()).is_ok_and(|log| log.len() > 50));
    subject.act("stop");
    let last = subject.log_text().lines().last().and_then(|line| line.parse::<u32>().ok()).expect("a number");
    let expected: Vec<_> = (1..=last).map(|number| format!("{number}\n")).collect();
    follower.shows(&expected.concat());
    assert_eq!(follower.end(Signal::SIGTERM).1, Vec::<String>::new());
}

#[test]
fn a_follower_sleeps_until_there_is_something_to_do() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    append(&subject.log(), "line 1\n");
    let mut command = subject.traced(&["-e", "trace=poll,ppoll"], "logs");
    command.arg("-f");
    let follower = Follower::by(command);
    follower.shows("line 1");
    let trace = || fs::read_to_string(subject.path("trace")).unwrap_or_default();
    // The call is printed when it begins, and it has no time-out.
    wait_until("a poll without a time-out", || {
        trace().lines().last().is_some_and(|line| line.contains("POLLIN") && line.contains(", -1"))
    });
    append(&subject.log(), "line 2\n");
    follower.shows("line 2");
    let ended = trace();
    assert!(!ended.contains(", 1000)"), "{ended}");
}

#[test]
fn a_follower_ends_when_its_reader_has_gone() {
    let subject = Subject::new();
    append(&subject.log(), "line 1\n");
    let mut child = subject.action("logs").arg("-f").spawn().expect("the subject runs");
    let mut stdout = child.stdout.take().expect("stdout");
    let mut line = [0; 7];
    stdout.read_exact(&mut line).expect("a line");
    drop(stdout);
    // No line is added meanwhile.
    let answer = Answer::from(child);
    assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_log_is_not_followed_into_itself() {
    let subject = Subject::new();
    append(&subject.log(), "line 1\n");
    let mut command = subject.action("logs");
    let log = OpenOptions::new().append(true).open(subject.log()).expect("a log");
    command.arg("-f").stdout(Stdio::from(log));
    Answer::of(command).fails_naming(1, &["failed to show the log: the output is the log", "itself"]);
    assert_eq!(subject.log_text(), "line 1\n");
}
