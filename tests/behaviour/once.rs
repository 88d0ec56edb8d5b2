//! A run on request, and what `status` shows of the runs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Answer, Process, Subject, now, root_or_skip, strace_or_skip, tool_or_skip, wait_for, wait_until,
};
use nix::sys::signal::Signal;

const HOUR: u32 = 3_600_000;
const NOBODY: u32 = 65_534;

fn count(subject: &Subject, line: &str) -> usize {
    subject.log_text().lines().filter(|other| *other == line).count()
}

/// Waits until a caller has been heard, which sleeps in poll(2) on its connection.
fn is_waiting(caller: u32) {
    let caller = Process(caller.try_into().unwrap());
    wait_until("the caller to wait", || {
        let is_socket = |(_, path): &(u32, std::path::PathBuf)| path.to_string_lossy().starts_with("socket:");
        let has_socket = caller.descriptors().iter().any(is_socket);
        has_socket && caller.status("State").starts_with('S')
    });
}

#[test]
fn a_running_daemon_does_a_run_now() {
    for keys in [&[][..], &[("context", "")], &[("respawn", "always")], &[("setup", "")]] {
        let subject = Subject::new().every(HOUR, "print ran; identify");
        let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
        let daemon = subject.start();
        subject.log_with("ran");
        for runs in 2..4 {
            subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
            assert_eq!(count(&subject, "ran"), runs, "{keys:?}");
        }
        let processes: Vec<String> =
            subject.log_text().lines().filter(|line| line.parse::<u32>().is_ok()).map(Into::into).collect();
        assert!(processes.iter().all(|process| *process == processes[0]), "{keys:?}: {processes:?}");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn the_exit_code_is_that_of_the_run() {
    for (end, code, error) in
        [("code 9", 9, ""), ("fail x", 1, ": x: the cause"), ("panic lost", 101, ": panicked at ")]
    {
        for retry in ["0", "2"] {
            let subject =
                Subject::new().every(HOUR, format!("{end}; print never")).key("on_error", "continue");
            let daemon = subject.key("retry", retry).key("retry_delay", "1");
            let (subject, daemon) = (&daemon, daemon.start());
            let answer = subject.act("once");
            let text = format!("subject: the run has failed (pid {daemon}): exit {code}{error}");
            assert!(answer.stdout.starts_with(&text) && answer.stderr.is_empty(), "{answer:?}");
            assert_eq!(answer.status.code(), Some(code));
            subject.act("status").runs(daemon);
        }
    }
}

#[test]
fn a_run_that_fails_ends_the_daemon_if_on_error_says_so() {
    let subject = Subject::new().every(HOUR, "first code 0; fail x");
    let daemon = subject.start();
    wait_until("the first run", || subject.act("status").stdout.contains("; 1 run, last run "));
    let answer = subject.act("once");
    answer.says(1, &format!("subject: the run has failed (pid {daemon}): exit 1: x: the cause"));
    assert_eq!(daemon.exit_code(), 1);
    subject.left_a_reason();
}

#[test]
fn a_run_in_progress_ends_first() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("print begin; until {}; print end", go.display()));
    let daemon = subject.start();
    subject.log_with("begin");
    let mut once = subject.action("once").spawn().unwrap();
    is_waiting(once.id());
    assert_eq!(count(&subject, "begin"), 1);
    assert!(once.try_wait().unwrap().is_none(), "it has not waited");
    // Also during a run.
    let status = subject.act("status");
    status.runs(daemon);
    assert!(status.stdout.contains("; 0 runs, last run "), "{status:?}");
    fs::write(&go, "").unwrap();
    Answer::from(once).says(0, &format!("subject: has done a run (pid {daemon})"));
    let log: Vec<_> =
        subject.log_text().lines().filter(|line| !line.contains("until")).map(str::to_owned).collect();
    assert_eq!(log, ["begin", "end", "begin", "end"]);
}

#[test]
fn each_call_gets_a_run_of_its_own() {
    let subject = Subject::new().every(HOUR, "print ran; sleep 2");
    let daemon = subject.start();
    subject.log_with("ran");
    let calls: Vec<_> = (0..8).map(|_| subject.action("once").spawn().unwrap()).collect();
    for call in calls {
        Answer::from(call).says(0, &format!("subject: has done a run (pid {daemon})"));
    }
    assert_eq!(count(&subject, "ran"), 9);
    let status = subject.act("status");
    assert!(status.stdout.contains("; 9 runs, last run "), "{status:?}");
}

#[test]
fn a_call_counts_towards_times() {
    let subject = Subject::new().every(HOUR, "print ran").key("times", "2");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
    assert_eq!(count(&subject, "ran"), 2);
    subject.left_nothing();
}

#[test]
fn a_call_changes_no_due_time() {
    const PERIOD: u128 = 1_000_000_000;
    let subject = Subject::new().every(1000, "stamp").key("times", "3");
    let before = now();
    let daemon = subject.start();
    let stamps = || subject.log_text().lines().map(|line| line.parse::<u128>().unwrap()).collect::<Vec<_>>();
    wait_until("the first run", || stamps().len() == 1);
    let first_was_seen = now();
    wait_until("a half of the period", || now() >= first_was_seen + PERIOD / 2);
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
    let [_, called, next] = stamps()[..] else { panic!("{:?}", stamps()) };
    // The first run is due between this moment and its stamp, which may be late.
    assert!(next >= before + PERIOD, "early: {before} {:?}", stamps());
    assert!(next < called + PERIOD, "the call has moved the run after it: {before} {:?}", stamps());
}

#[test]
fn a_jitter_delays_no_call() {
    let subject = Subject::new().every(HOUR, "print ran").key("jitter", HOUR.to_string());
    let daemon = subject.start();
    for runs in 1..3 {
        subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
        assert_eq!(count(&subject, "ran"), runs);
    }
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn without_a_daemon_the_run_is_done_in_the_foreground() {
    for keys in [&[][..], &[("context", "")], &[("respawn", "always")], &[("setup", "print made")]] {
        let subject = Subject::new().every(HOUR, "print ran; identify; code 9").key("on_error", "continue");
        let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
        let once = subject.action("once").spawn().unwrap();
        let process = once.id();
        let answer = Answer::from(once);
        assert_eq!(answer.status.code(), Some(9), "{keys:?} {answer:?}");
        assert!(answer.stdout.ends_with(&format!("ran\n{process}\n")), "{keys:?} {answer:?}");
        assert_eq!(subject.log_text(), "");
        assert_eq!(subject.processes(), []);
    }
}

#[test]
fn what_a_single_run_owns_is_dropped_once() {
    let subject = Subject::new().every(HOUR, "print ran").key("respawn", "always");
    let guard = subject.path("guard");
    let subject = subject.key("guard", &guard);
    let once = subject.action("once").spawn().unwrap();
    let process = once.id();
    Answer::from(once).says(0, "ran");
    assert_eq!(fs::read_to_string(guard).unwrap(), format!("{process}\n"));
    subject.left_nothing();
}

#[test]
fn a_daemon_in_the_foreground_takes_calls_too() {
    for keys in [&[][..], &[("respawn", "always")]] {
        let subject = Subject::new().every(HOUR, "print ran");
        let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
        let run = subject.action("run").spawn().unwrap();
        let process = Process(run.id().try_into().unwrap());
        wait_until("the pidfile", || subject.pid_text() == format!("{process}\n"));
        let once = || Some(subject.act("once")).filter(|answer| answer.status.success());
        wait_for("an answer", once).says(0, &format!("subject: has done a run (pid {process})"));
        process.signal(Signal::SIGTERM);
        assert_eq!(Answer::from(run).stdout.matches("ran\n").count(), 2);
    }
}

#[test]
fn a_caller_that_goes_away_gets_no_run() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("print begin; until {}", go.display()));
    let daemon = subject.start();
    subject.log_with("begin");
    let mut once = subject.action("once").spawn().unwrap();
    is_waiting(once.id());
    once.kill().unwrap();
    once.wait().unwrap();
    fs::write(&go, "").unwrap();
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(count(&subject, "begin"), 2);
}

#[test]
fn a_caller_learns_that_the_daemon_has_ended() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("print begin; first code 0; until {}", go.display()));
    let daemon = subject.start();
    subject.log_with("begin");
    let once = subject.action("once").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    daemon.signal(Signal::SIGKILL);
    Answer::from(once)
        .fails(1, &format!("subject: failed to run: pid {daemon} ended before the run had ended"));
}

#[test]
fn a_caller_learns_that_the_body_has_ended_and_not_its_supervisor() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject
        .every(HOUR, format!("print begin; first code 0; until {}", go.display()))
        .key("respawn", "on-failure");
    let daemon = subject.start();
    subject.log_with("begin");
    let once = subject.action("once").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    Process(daemon.children().trim().parse().unwrap()).signal(Signal::SIGKILL);
    let text = format!("subject: failed to run: the body of pid {daemon} ended before the run had ended");
    Answer::from(once).fails(1, &text);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_call_that_a_stop_has_overtaken_is_done_in_the_foreground() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.every(HOUR, format!("print begin; until {}; print end", go.display()));
    let daemon = subject.start();
    subject.log_with("begin");
    let once = subject.action("once").spawn().unwrap();
    is_waiting(once.id());
    daemon.signal(Signal::SIGTERM);
    wait_until("the line about the stop", || subject.raw_log().contains("stopping (SIGTERM)"));
    fs::write(&go, "").unwrap();
    let answer = Answer::from(once);
    assert_eq!((answer.status.code(), answer.stdout.lines().last()), (Some(0), Some("end")), "{answer:?}");
    assert_eq!(count(&subject, "begin"), 1);
}

#[test]
fn a_daemon_that_ends_while_it_is_called_is_not_called() {
    if !strace_or_skip() {
        return;
    }
    // On 32-bit x86, `sendto` of an old C library is `send`.
    for (call, respawn) in
        [("pidfd_open", "never"), ("socket", "never"), ("sendto,?send", "never"), ("socket", "always")]
    {
        let subject = Subject::new().every(HOUR, "print ran").key("respawn", respawn);
        let daemon = subject.start();
        let (once, process) = subject.held(&[], call, "once");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        process.signal(Signal::SIGCONT);
        let answer = Answer::from(once);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(0), "ran\n"), "{call}: {answer:?}");
        subject.left_nothing();
    }
}

#[test]
fn a_supervisor_that_ends_the_children_is_waited_for() {
    let subject = Subject::new();
    let (script, go) = (subject.path("child.sh"), subject.path("go"));
    let text = format!("trap '' TERM; echo up; until [ -e {} ]; do sleep 0.01; done", go.display());
    fs::write(&script, text).unwrap();
    let marker = subject.path("spawned").display().to_string();
    let body = format!("print ran; once {marker} spawn {}", script.display());
    let subject = subject.every(HOUR, body).key("children", "end").key("stop_timeout", "25000");
    let daemon = subject.start();
    subject.log_with("up");
    let stop = subject.action("stop").spawn().unwrap();
    wait_until("the stop", || subject.raw_log().contains("stopping (SIGTERM)"));
    wait_until("the end of the body", || daemon.children().split_whitespace().count() == 1);
    let once = subject.action("once").spawn().unwrap();
    // It is patient for a second with a daemon that it cannot reach.
    let begin = Instant::now();
    wait_until("more than a second to pass", || begin.elapsed() > Duration::from_millis(1500));
    fs::write(&go, "").unwrap();
    Answer::from(stop).says(0, &format!("subject: stopped (pid {daemon})"));
    let answer = Answer::from(once);
    assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(0), "ran\n"), "{answer:?}");
    subject.left_nothing();
}

#[test]
fn a_daemon_that_is_just_being_set_up_can_be_called() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().every(HOUR, "print ran");
    // It holds its pidfile, and has no handlers yet.
    let (start, daemon) = subject.held(&[], "chdir", "start");
    let once = subject.action("once").spawn().unwrap();
    let caller = Process(once.id().try_into().unwrap());
    wait_until("the caller to find the daemon", || {
        caller.descriptors().iter().any(|(_, path)| path.ends_with("anon_inode:[pidfd]"))
    });
    daemon.signal(Signal::SIGCONT);
    Answer::from(once).says(0, &format!("subject: has done a run (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    // strace ends with the daemon.
    Answer::from(start).started();
}

#[test]
fn a_daemon_that_is_started_while_it_is_called_does_the_run() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().every(HOUR, "print ran");
    let (once, caller) = subject.held(&["-P", subject.pidfile().to_str().unwrap()], "openat", "once");
    let daemon = subject.start();
    subject.log_with("ran");
    caller.signal(Signal::SIGCONT);
    Answer::from(once).says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(count(&subject, "ran"), 2);
}

#[test]
fn a_status_mixes_no_two_daemons() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().every(HOUR, "print ran");
    let daemon = subject.start();
    // It has seen that the daemon is running, and is about to ask about the runs.
    let (status, process) = subject.held(&[], "pidfd_open", "status");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    let next = subject.start();
    wait_until("the first run", || subject.act("status").stdout.contains("; 1 run, last run "));
    process.signal(Signal::SIGCONT);
    let answer = Answer::from(status);
    let is_of = |daemon, runs: bool| {
        answer.stdout.starts_with(&format!("subject: running (pid {daemon}"))
            && answer.stdout.contains("; 1 run") == runs
    };
    assert!(is_of(daemon, false) || is_of(next, true), "{answer:?}");
    subject.act("stop").says(0, &format!("subject: stopped (pid {next})"));
}

#[test]
fn a_call_that_comes_after_the_end_does_no_harm() {
    let subject = Subject::new().every(HOUR, "print ran").key("times", "1");
    let mut caller = subject.converse();
    for _ in 0..2 {
        assert_eq!([caller.say("run").trim(), caller.hear().trim()], ["ran", "Finished { code: 0 }"]);
        // `status` has seen its handler just before.
        caller.process.signal(Signal::SIGURG);
        assert_eq!(caller.say("status").trim(), "NotRunning subject: not running");
    }
}

#[test]
fn a_single_run_that_a_stop_prevents_has_failed() {
    let subject = Subject::new();
    let subject = subject.every(HOUR, "fail x").key("retry", "2").key("retry_delay", HOUR.to_string());
    let errors = subject.path("errors");
    let once = subject.action("once").stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
    let errors = || fs::read_to_string(&errors).unwrap();
    wait_until("the pause after the first attempt", || errors().contains("subject: retrying in 1h"));
    Process(once.id().try_into().unwrap()).signal(Signal::SIGTERM);
    let answer = Answer::from(once);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(errors().ends_with("subject: stopped before the run was done\n"), "{}", errors());
    assert_eq!(subject.processes(), []);
}

#[test]
fn a_daemon_that_lacks_a_descriptor_refuses_a_call_and_takes_the_next() {
    if !tool_or_skip(&["prlimit", "--version"]) {
        return;
    }
    for wakes in [0, 1] {
        let subject = Subject::new().every(HOUR, "print ran");
        let daemon = subject.start();
        subject.log_with("ran");
        for _ in 0..wakes {
            subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
        }
        let limit = |most: u32| {
            let limit = format!("--nofile={most}:");
            let set = Command::new("prlimit").args(["--pid", &daemon.to_string(), &limit]).status();
            assert!(set.unwrap().success());
        };
        limit(3);
        subject.act("once").fails_naming(1, &["subject: failed to run: ", "takes no requests"]);
        limit(256);
        subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
        assert_eq!(count(&subject, "ran"), 2 + wakes);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn a_body_that_waits_to_be_respawned_cannot_be_called() {
    let subject = Subject::new().every(HOUR, "first code 9").key("respawn", "on-failure");
    let subject = subject.key("respawn_delay", HOUR.to_string());
    let daemon = subject.start();
    wait_until("the pause", || subject.act("status").stdout.contains("waiting to respawn"));
    subject.act("once").fails_naming(1, &["subject: failed to run: ", &daemon.to_string(), "respawned"]);
}

#[test]
fn a_daemon_that_does_not_repeat_has_no_runs() {
    let subject =
        Subject::new().graceful("print up; wait").key("wait_ready", "20000").graceful("ready; wait");
    subject
        .act("once")
        .fails(2, "subject: the action `once` is for a daemon that repeats its body; use `run`");
    let daemon = subject.start();
    subject
        .act("once")
        .fails(2, "subject: the action `once` is for a daemon that repeats its body; use `run`");
    let status = subject.act("status");
    status.runs(daemon);
    assert!(!status.stdout.contains(';'), "{status:?}");
}

#[test]
fn a_daemon_that_cannot_hear_a_call_is_not_harmed_by_one() {
    // The program repeats its body since it was replaced.
    let subject = Subject::new().body("print up; park");
    let daemon = subject.start();
    subject.log_with("up");
    let subject = subject.every(HOUR, "print ran");
    subject.act("status").runs(daemon);
    subject
        .act("once")
        .fails_naming(1, &["subject: failed to run: ", "takes no requests", "earlier version"]);
    assert!(daemon.is_alive());
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_daemon_cannot_call_itself() {
    let subject = Subject::new().every(HOUR, "act once");
    subject.start();
    subject.log_with("once: subject: failed to run: this is the daemon itself, which runs by itself");
}

#[test]
fn a_daemon_that_is_never_called_has_no_socket() {
    let subject = Subject::new().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    let before = daemon.descriptors().len();
    subject.act("once");
    assert_eq!(daemon.descriptors().len(), before + 1);
    for _ in 0..3 {
        subject.act("once");
        subject.act("status");
    }
    assert_eq!(daemon.descriptors().len(), before + 1);
}

#[test]
fn root_and_the_daemons_user_may_call_and_no_other() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    let denied = &["subject: permission denied: ", &daemon.to_string()];
    for _ in 0..2 {
        Answer::of(subject.by_nobody("once")).fails_naming(4, denied);
        // Another user sees that it runs, and no more.
        let status = Answer::of(subject.by_nobody("status"));
        status.runs(daemon);
        assert!(!status.stdout.contains(';'), "{status:?}");
        // From here on there is a socket, to which every user can connect.
        subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    }
    subject.act("stop");

    for respawn in ["never", "always"] {
        let subject = Subject::new().open_to_all().every(HOUR, "print ran").key("user", "nobody");
        let subject = subject.key("respawn", respawn);
        let daemon = subject.start();
        subject.log_with("ran");
        for action in [subject.by_nobody("once"), subject.action("once")] {
            Answer::of(action).says(0, &format!("subject: has done a run (pid {daemon})"));
        }
        assert_eq!(count(&subject, "ran"), 3, "{respawn}");
        subject.act("stop");
    }
}

#[test]
fn the_connection_of_another_user_is_not_heard() {
    const CONNECT: &str = "
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect('\\0' + sys.argv[1])
connection.send(b'once\\n')
open(sys.argv[2], 'w').close()
print(connection.recv(99))
";
    if !root_or_skip() || !tool_or_skip(&["python3", "-c", ""]) {
        return;
    }
    let subject = Subject::new().open_to_all().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("status");
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let number = locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let start: u64 = fields.get(6)?.parse().ok()?;
        (fields[4] == daemon.to_string()).then(|| start.checked_sub(0x5000_0000)).flatten()
    });
    let number = format!("{:05x}", number.expect("a socket"));
    let connected = subject.path("connected");
    let mut python = subject.command("python3");
    python.args(["-c", CONNECT, &number]).arg(&connected).uid(NOBODY).gid(NOBODY);
    let stranger = python.spawn().unwrap();
    wait_until("the connection", || connected.exists());
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    let answer = Answer::from(stranger);
    assert!(answer.stdout == "b''\n" || answer.stderr.contains("ConnectionResetError"), "{answer:?}");
    assert_eq!(count(&subject, "ran"), 2);
}

#[test]
fn a_body_in_a_chroot_can_be_called() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.every(HOUR, "print ran").key("chroot", &root).key("user", "nobody");
    let daemon = subject.start();
    subject.log_with("ran");
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(count(&subject, "ran"), 2);
}

#[test]
fn a_signal_without_a_call_does_nothing() {
    let subject = Subject::new().every(HOUR, "print ran");
    let daemon = subject.start();
    subject.log_with("ran");
    for _ in 0..3 {
        daemon.signal(Signal::SIGURG);
    }
    subject.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
    assert_eq!(count(&subject, "ran"), 2);
}
