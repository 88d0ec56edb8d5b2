//! The state of a daemon that is not ready yet, and what a supervisor reports of its body.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::published::{Locks, SERVED, STARTING, Socket};
use common::{Answer, Process, Subject, root_or_skip, tool_or_skip, wait_until};
use nix::sys::signal::Signal;

/// Returns a daemon that becomes ready when the test says so.
fn getting_ready() -> Subject {
    let subject = Subject::new().key("wait_ready", "20000");
    let go = subject.path("go");
    subject.graceful(format!("until {}; ready; print up; wait", go.display()))
}

fn go(subject: &Subject) {
    fs::write(subject.path("go"), "").unwrap();
}

/// Waits until the body begins, and returns the daemon.
fn beginning(subject: &Subject) -> Process {
    subject.log_with(&format!("until {}", subject.path("go").display()));
    Process(subject.pid_text().trim().parse().unwrap())
}

/// Fails unless `status` calls the daemon starting.
#[track_caller]
fn starts(answer: &Answer, daemon: Process) {
    let up = format!("subject: starting (pid {daemon}, up ");
    assert!(answer.stdout.starts_with(&up) && answer.stdout.ends_with("s)\n"), "{answer:?}");
    assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
}

#[test]
fn a_daemon_is_starting_until_its_body_is_ready() {
    let subject = getting_ready();
    let start = subject.action("start").spawn().unwrap();
    let daemon = beginning(&subject);
    starts(&subject.act("status"), daemon);
    go(&subject);
    assert_eq!(Answer::from(start).started(), daemon);
    subject.act("status").runs(daemon);
}

#[test]
fn in_the_foreground_it_is_the_same() {
    let subject = getting_ready();
    let log = fs::File::options().create(true).append(true).open(subject.log()).unwrap();
    let mut run = subject.action("run");
    run.stdout(log);
    let run = subject.run_by(run);
    beginning(&subject);
    starts(&subject.act("status"), run.process);
    go(&subject);
    subject.log_with("up");
    subject.act("status").runs(run.process);
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.answer().status.code(), Some(0));
}

#[test]
fn a_setup_is_part_of_the_start() {
    for alive in [None, Some("1")] {
        let subject = Subject::new();
        let setup = format!("until {}", subject.path("go").display());
        let subject = subject.key("setup", setup).every(20, "first print up");
        let subject = alive.into_iter().fold(subject, |subject, time| subject.key("wait_alive", time));
        let start = subject.action("start").spawn().unwrap();
        let daemon = beginning(&subject);
        starts(&subject.act("status"), daemon);
        go(&subject);
        assert_eq!(Answer::from(start).started(), daemon);
        // With `wait_alive`, the setup may outlast the start.
        subject.log_with("up");
        subject.act("status").runs(daemon);
    }
}

#[test]
fn with_wait_alive_it_runs_from_the_beginning() {
    let subject = Subject::new().key("wait_alive", "20000").body("print up; park");
    let mut start = subject.action("start").spawn().unwrap();
    subject.log_with("up");
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    subject.act("status").runs(daemon);
    start.kill().unwrap();
    start.wait().unwrap();
}

#[test]
fn a_child_of_the_body_does_not_keep_it_starting() {
    let subject = getting_ready();
    let go_path = subject.path("go");
    let subject = subject.graceful(format!("fork park; until {}; ready; print up; wait", go_path.display()));
    let start = subject.action("start").spawn().unwrap();
    let daemon = beginning(&subject);
    let ensure = subject.action("ensure").spawn().unwrap();
    starts(&subject.act("status"), daemon);
    go(&subject);
    assert_eq!(Answer::from(start).started(), daemon);
    Answer::from(ensure).says(0, &format!("subject: already running (pid {daemon})"));
    subject.act("status").runs(daemon);
}

#[test]
fn its_socket_is_closed_once_it_is_ready() {
    let subject = getting_ready();
    let start = subject.action("start").spawn().unwrap();
    let daemon = beginning(&subject);
    let sockets = || {
        let all = daemon.descriptors();
        all.iter().filter(|(_, link)| link.to_string_lossy().starts_with("socket:")).count()
    };
    assert_eq!(sockets(), 2, "the launcher's and the one on which others wait");
    go(&subject);
    assert_eq!(Answer::from(start).started(), daemon);
    wait_until("the end of both", || sockets() == 0);
}

#[test]
fn a_start_in_a_chroot_as_another_user_is_seen_by_every_user() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all().key("wait_ready", "20000").key("user", "nobody");
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root).graceful("until /go; ready; wait");
    let start = subject.action("start").spawn().unwrap();
    subject.log_with("until /go");
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    starts(&subject.act("status"), daemon);
    starts(&Answer::of(subject.by_nobody("status")), daemon);
    let ensure = subject.action("ensure").spawn().unwrap();
    fs::write(root.join("go"), "").unwrap();
    assert_eq!(Answer::from(start).started(), daemon);
    Answer::from(ensure).says(0, &format!("subject: already running (pid {daemon})"));
}

#[test]
fn in_another_network_namespace_status_and_ensure_still_tell() {
    let apart = ["unshare", "-n"];
    if !root_or_skip() || !tool_or_skip(&["unshare", "-n", "true"]) {
        return;
    }
    let subject = getting_ready();
    let start = subject.action("start").spawn().unwrap();
    let daemon = beginning(&subject);
    starts(&Answer::of(subject.wrapped(&apart, "status")), daemon);
    let mut ensure = subject.wrapped(&apart, "ensure").spawn().unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(ensure.try_wait().unwrap().is_none(), "it has returned before the body was ready");
    go(&subject);
    assert_eq!(Answer::from(start).started(), daemon);
    Answer::from(ensure).says(0, &format!("subject: already running (pid {daemon})"));
}

// ---- what a supervisor reports ----

/// Returns what `status` says to a supervisor's line, with the supervisor's PID and age left out.
#[track_caller]
fn status_of(line: &str) -> String {
    let subject = Subject::new();
    let (locks, socket) = (Locks::new(&subject.pidfile()), Socket::new());
    locks.publish(SERVED + socket.number);
    let status = subject.action("status").spawn().unwrap();
    let _connection = socket.answer(line);
    let answer = Answer::from(status);
    assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
    let text = answer.stdout.replace(&format!("(pid {}", std::process::id()), "(pid 42");
    match (text.split_once(", up "), text.find([';', ')'])) {
        (Some((before, _)), Some(end)) => format!("{before}{}", &text[end..]),
        _ => text,
    }
}

#[test]
fn the_status_of_a_supervised_daemon_has_its_body_and_its_last_end() {
    let line = "daemonic 1 state=running body=57 body_ms=5900 respawns=2 last_ms=7000 last=exit 101: panicked at x\n";
    assert_eq!(
        status_of(line),
        "subject: running (pid 42; body 57 up 5s, respawned 2 times, last 7s ago: exit 101: panicked at x)\n"
    );
    let line = "daemonic 1 state=running body=57 body_ms=60000 respawns=0\n";
    assert_eq!(status_of(line), "subject: running (pid 42; body 57 up 1m)\n");
    let line = "daemonic 1 state=starting body=57 body_ms=1 respawns=1 last_ms=9 last=exit 1\n";
    assert_eq!(
        status_of(line),
        "subject: starting (pid 42; body 57 up 0s, respawned 1 time, last 0s ago: exit 1)\n"
    );
}

#[test]
fn the_status_during_a_pause_has_what_is_left_of_it() {
    let line = "daemonic 1 state=waiting respawns=2 due_ms=3500 last_ms=3000 last=killed by SIGSEGV\n";
    assert_eq!(
        status_of(line),
        "subject: waiting to respawn (pid 42, in 4s; last 3s ago: killed by SIGSEGV)\n"
    );
}

#[test]
fn control_characters_of_a_report_are_escaped() {
    let line = "daemonic 1 state=waiting due_ms=1000 last_ms=3000 last=\u{1b}[31m\r\u{202e}x\n";
    assert_eq!(
        status_of(line),
        "subject: waiting to respawn (pid 42, in 1s; last 3s ago: \\u{1b}[31m\\r\\u{202e}x)\n"
    );
}

#[test]
fn a_report_that_this_version_does_not_know_is_left_out() {
    for line in ["daemonic 2 state=waiting\n", "rubbish\n", "\n", &"x".repeat(5000), "daemonic 1 state=odd\n"]
    {
        assert_eq!(status_of(line), "subject: running (pid 42)\n", "{line:.20}");
    }
    let line = "daemonic 1 news=1 state=running body=57 more\n";
    assert_eq!(status_of(line), "subject: running (pid 42; body 57 up 0s)\n", "an unknown key is ignored");
}

#[test]
fn a_supervisor_that_does_not_answer_is_running_after_a_second() {
    let subject = Subject::new();
    let (locks, socket) = (Locks::new(&subject.pidfile()), Socket::new());
    locks.publish(SERVED + socket.number);
    let begin = Instant::now();
    subject.act("status").runs(Process(std::process::id().try_into().unwrap()));
    assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_socket_of_another_process_is_not_believed() {
    let subject = Subject::new();
    let socket = Socket::new();
    // The holder publishes the number of a socket that is this process's.
    let published = ("write", SERVED + socket.number, 1);
    let holder = subject.locks(&subject.pidfile(), &[published, ("write", 0, 2)]);
    let status = subject.action("status").spawn().unwrap();
    let _connection = socket.answer("daemonic 1 state=waiting\n");
    Answer::from(status).runs(holder.process);
}

#[test]
fn the_mark_of_a_process_that_is_not_the_holder_does_not_count() {
    let subject = Subject::new();
    let daemon = subject.start();
    let _write = subject.lock(&subject.pidfile(), "write", STARTING, 0x10_0000);
    let _read = subject.lock(&subject.pidfile(), "read", SERVED, 1);
    subject.act("status").runs(daemon);
    subject.act("ensure").says(0, &format!("subject: already running (pid {daemon})"));
}
