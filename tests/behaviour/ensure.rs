//! `ensure`: the daemon runs and is ready when it returns, whoever has started it.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use common::published::{Locks, SERVED, STARTING, Socket};
use common::{Answer, Process, Subject, root_or_skip, strace_or_skip, wait_until};
use nix::sys::signal::Signal;

/// Returns a daemon that makes the file `done` just before it is ready, once the file `go` exists.
fn getting_ready() -> Subject {
    let subject = Subject::new();
    let (go, done) = (subject.path("go"), subject.path("done"));
    subject.graceful(format!("print begun; until {}; make {}; ready; wait", go.display(), done.display()))
}

/// Starts it, and returns the start and the daemon, whose body has begun.
fn begin(subject: &Subject, action: &str) -> (Child, Process) {
    let start = subject.action(action).spawn().unwrap();
    subject.log_with("begun");
    (start, Process(subject.pid_text().trim().parse().unwrap()))
}

fn go(subject: &Subject) {
    fs::write(subject.path("go"), "").unwrap();
}

#[track_caller]
fn is_already_running(answer: &Answer, daemon: Process) {
    answer.says(0, &format!("subject: already running (pid {daemon})"));
}

/// Waits until a process sleeps in poll(2).
fn sleeps(process: &Child) {
    let process = Process(process.id().try_into().unwrap());
    wait_until("a sleep", || {
        process.try_status("State").is_some_and(|state| state.starts_with('S'))
            && fs::read_to_string(format!("/proc/{process}/wchan")).is_ok_and(|call| call.contains("poll"))
    });
}

#[test]
fn over_nothing_it_starts_the_daemon() {
    let subject = Subject::new();
    let daemon = subject.act("ensure").started();
    subject.act("status").runs(daemon);
    is_already_running(&subject.act("ensure"), daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn over_a_stale_pidfile_it_starts_the_daemon() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "4194304\n").unwrap();
    let daemon = subject.act("ensure").started();
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
}

#[test]
fn a_start_that_fails_is_a_failure_with_the_reason() {
    let subject = Subject::new().key("wait_ready", "20000").graceful("fail the disk is full");
    let reason = "subject: failed to start: the disk is full: the cause";
    subject.act("ensure").fails(1, reason);
    subject.left_nothing();
}

#[test]
fn over_a_daemon_that_runs_it_needs_no_single_thread() {
    let subject = Subject::new();
    let threads = subject.path("subject.pid");
    let with_threads = Subject::new().key("pidfile", &threads).key("thread", "");
    with_threads.act("ensure").fails_naming(1, &["subject: failed to start: this process has 2 threads"]);
    let daemon = subject.start();
    is_already_running(&with_threads.act("ensure"), daemon);
}

#[test]
fn keys_that_do_not_fit_are_refused_even_if_it_runs() {
    let subject = Subject::new();
    subject.start();
    let subject = subject.key("wait_ready", "1000");
    subject.act("ensure").fails_naming(1, &["failed to start: `wait_ready` needs a body with a `Context`"]);
}

#[test]
fn over_a_daemon_that_is_starting_it_returns_when_that_is_ready_and_not_before() {
    for action in ["start", "run"] {
        let subject = getting_ready().key("wait_ready", "20000");
        let log = fs::File::options().create(true).append(true).open(subject.log()).unwrap();
        let mut command = subject.action(action);
        command.stdout(log);
        let mut first = command.spawn().unwrap();
        subject.log_with("begun");
        let daemon = Process(subject.pid_text().trim().parse().unwrap());
        let mut ensure = subject.action("ensure").spawn().unwrap();
        sleeps(&ensure);
        assert!(ensure.try_wait().unwrap().is_none(), "it has returned before the body was ready");
        go(&subject);
        is_already_running(&Answer::from(ensure), daemon);
        assert!(subject.path("done").exists(), "it has returned before the body was ready");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        first.wait().unwrap();
    }
}

#[test]
fn without_the_key_it_waits_for_a_daemon_that_has_it() {
    let subject = getting_ready().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let subject = subject.without("wait_ready");
    let ensure = subject.action("ensure").spawn().unwrap();
    sleeps(&ensure);
    go(&subject);
    is_already_running(&Answer::from(ensure), daemon);
    assert!(subject.path("done").exists());
    assert_eq!(Answer::from(start).started(), daemon);
}

#[test]
fn while_it_waits_it_makes_no_call() {
    if !strace_or_skip() {
        return;
    }
    let subject = getting_ready().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let ensure = subject.traced(&[], "ensure").spawn().unwrap();
    let calls = || fs::read_to_string(subject.path("trace")).unwrap_or_default();
    wait_until("the wait", || calls().trim_end().ends_with("<unfinished ...>") || calls().contains("poll(["));
    wait_until("the wait for two descriptors", || {
        calls().lines().last().is_some_and(|line| line.contains("poll([{fd=") && line.contains("}, {fd="))
    });
    // On a busy machine, the last calls before the wait may come late. A loop would never be quiet for so long.
    wait_until("half a second without a call", || {
        let before = calls().lines().count();
        thread::sleep(Duration::from_millis(500));
        calls().lines().count() == before
    });
    go(&subject);
    is_already_running(&Answer::from(ensure), daemon);
    assert_eq!(Answer::from(start).started(), daemon);
}

#[test]
fn when_the_time_is_over_it_fails() {
    let subject = getting_ready().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let impatient =
        Subject::new().key("pidfile", subject.pidfile()).key("wait_ready", "300").graceful("wait");
    let begin = Instant::now();
    impatient.act("ensure").fails(1, &format!("subject: not ready after 300ms (pid {daemon})"));
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(daemon.is_alive(), "the daemon goes on");
    go(&subject);
    assert_eq!(Answer::from(start).started(), daemon);
}

#[test]
fn if_the_daemon_goes_meanwhile_it_starts_one() {
    let subject = getting_ready().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let ensure = subject.action("ensure").spawn().unwrap();
    sleeps(&ensure);
    daemon.signal(Signal::SIGKILL);
    go(&subject);
    let next = Answer::from(ensure).started();
    assert_ne!(next, daemon);
    assert!(subject.path("done").exists());
    assert_eq!(Answer::from(start).status.code(), Some(1));
    subject.act("status").runs(next);
}

#[test]
fn if_the_start_fails_meanwhile_it_starts_one() {
    let subject = Subject::new().key("wait_ready", "20000");
    let go_path = subject.path("go");
    let first = subject.path("first");
    // The first body fails, and the second one is ready.
    let failing = format!("print begun; until {}; make {}; fail once", go_path.display(), first.display());
    let subject = subject.graceful(failing);
    let (start, daemon) = begin(&subject, "start");
    let subject = subject.graceful("ready; wait");
    let ensure = subject.action("ensure").spawn().unwrap();
    sleeps(&ensure);
    go(&subject);
    assert_ne!(Answer::from(ensure).started(), daemon);
    assert_eq!(Answer::from(start).status.code(), Some(1));
}

#[test]
fn a_hundred_at_once_are_one_daemon_and_each_returns_when_it_is_ready() {
    let subject = getting_ready().key("wait_ready", "60000");
    let done = subject.path("done");
    // The body takes its time before it is ready.
    let script = format!("print begun; sleep 300; make {}; ready; wait", done.display());
    let subject = subject.graceful(script);
    let all: Vec<_> = (0..100)
        .map(|_| {
            subject
                .wrapped(
                    &[
                        "sh",
                        "-c",
                        "\"$0\" \"$@\"; code=$?; test -e $SUBJECT_FOLDER/done || echo early; exit $code",
                    ],
                    "ensure",
                )
                .spawn()
                .unwrap()
        })
        .collect();
    let answers: Vec<_> = all.into_iter().map(Answer::from).collect();
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    let started = format!("subject: started (pid {daemon})\n");
    let running = format!("subject: already running (pid {daemon})\n");
    for answer in &answers {
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
        assert!(answer.stdout == started || answer.stdout == running, "{answer:?}");
    }
    assert_eq!(answers.iter().filter(|answer| answer.stdout == started).count(), 1);
    assert_eq!(subject.log_text().lines().filter(|line| *line == "begun").count(), 1, "one body");
    assert_eq!(subject.processes(), [daemon]);
}

#[test]
fn between_the_lock_and_the_body_it_waits_too() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().body("park");
    // The daemon installs its handlers slowly, with the lock in its hands.
    let slowly = ["strace", "-f", "-o", "/dev/null", "-e", "inject=rt_sigaction:delay_enter=100000"];
    let mut start = subject.wrapped(&slowly, "start").spawn().unwrap();
    wait_until("the lock", || subject.pid_text().ends_with('\n'));
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    let status = subject.act("status");
    assert!(status.stdout.starts_with("subject: starting (pid "), "{status:?}");
    let ensure = subject.act("ensure");
    is_already_running(&ensure, daemon);
    subject.act("status").runs(daemon);
    // strace ends with the daemon.
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    start.wait().unwrap();
}

#[test]
fn with_wait_alive_the_daemon_must_be_that_old() {
    let subject = Subject::new().body("park");
    let daemon = subject.start();
    let begin = Instant::now();
    is_already_running(&subject.key("wait_alive", "700").act("ensure"), daemon);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn with_wait_alive_a_daemon_that_ends_by_then_is_replaced() {
    let subject = Subject::new();
    let old = subject.start();
    let subject = subject.key("wait_alive", "2000");
    let ensure = subject.action("ensure").spawn().unwrap();
    sleeps(&ensure);
    old.signal(Signal::SIGKILL);
    assert_ne!(Answer::from(ensure).started(), old);
}

#[test]
fn a_lock_of_a_process_that_can_only_read_the_pidfile_does_not_matter() {
    let subject = getting_ready().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let everything_else = [("read", 3, STARTING - 3), ("read", STARTING + 0x10_0001, 0)];
    let reader = subject.locks(&subject.pidfile(), &everything_else);
    let ensure = subject.action("ensure").spawn().unwrap();
    sleeps(&ensure);
    go(&subject);
    is_already_running(&Answer::from(ensure), daemon);
    assert!(subject.path("done").exists());
    assert_eq!(Answer::from(start).started(), daemon);
    drop(reader);
    let _reader = subject.lock(&subject.pidfile(), "read", 3, 0);
    is_already_running(&subject.act("ensure"), daemon);
}

#[test]
fn another_user_can_wait_too() {
    if !root_or_skip() {
        return;
    }
    let subject = getting_ready().open_to_all().key("wait_ready", "20000");
    let (start, daemon) = begin(&subject, "start");
    let ensure = subject.by_nobody("ensure").spawn().unwrap();
    sleeps(&ensure);
    go(&subject);
    is_already_running(&Answer::from(ensure), daemon);
    assert_eq!(Answer::from(start).started(), daemon);
}

#[test]
fn an_earlier_version_counts_as_ready() {
    let subject = Subject::new();
    let daemon = subject.locks(&subject.pidfile(), &[("write", 0, 2), ("description", 2, 1)]);
    is_already_running(&subject.act("ensure"), daemon.process);
}

#[test]
fn a_socket_of_another_process_is_not_asked() {
    let subject = Subject::new().key("wait_ready", "300").graceful("wait");
    let squatter = Socket::new();
    for first in [STARTING, SERVED] {
        let published = ("write", first + squatter.number, 1);
        let holder = subject.locks(&subject.pidfile(), &[published, ("write", 0, 2)]);
        let not_ready = format!("subject: not ready after 300ms (pid {})", holder.process);
        let ensure = subject.action("ensure").spawn().unwrap();
        let _connection = squatter.answer("daemonic 1 state=running\n");
        Answer::from(ensure).fails(1, &not_ready);
    }
}

#[test]
fn while_a_supervisor_waits_it_waits() {
    let subject = Subject::new();
    let (locks, socket) = (Locks::new(&subject.pidfile()), Socket::new());
    locks.publish(SERVED + socket.number);
    let mut ensure = subject.action("ensure").spawn().unwrap();
    let mut connection = socket.answer("daemonic 1 state=waiting due_ms=1000\n");
    std::io::Write::write_all(&mut connection, b"daemonic 1 state=starting\n").unwrap();
    sleeps(&ensure);
    assert!(ensure.try_wait().unwrap().is_none());
    std::io::Write::write_all(&mut connection, b"daemonic 1 state=running body=57\n").unwrap();
    is_already_running(&Answer::from(ensure), Process(std::process::id().try_into().unwrap()));
}

#[test]
fn a_daemon_that_closes_its_socket_is_looked_at_again() {
    let subject = Subject::new();
    let (locks, socket) = (Locks::new(&subject.pidfile()), Socket::new());
    let byte = STARTING + socket.number;
    locks.publish(byte);
    let mut ensure = subject.action("ensure").spawn().unwrap();
    drop(socket.answer(""));
    drop(socket);
    let caller = Process(ensure.id().try_into().unwrap());
    let wakes = || caller.status("voluntary_ctxt_switches").parse::<u32>().unwrap_or(u32::MAX);
    let before = wakes();
    wait_until("three more looks", || wakes() >= before.saturating_add(3));
    assert!(ensure.try_wait().unwrap().is_none(), "the mark is still there");
    locks.withdraw(byte);
    is_already_running(&Answer::from(ensure), Process(std::process::id().try_into().unwrap()));
}
