//! `wait_ready`: `start` returns when the body reports that it is ready, and fails with the body's
//! reason.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use common::async_programs::{Service, program};
use common::strace::Strace;
use common::{Answer, Process, Subject, strace_or_skip, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENT: u32 = 20_000;

/// Returns a daemon whose `start` waits for the script.
fn getting_ready(body: &str) -> Service {
    Service::new("").waiting(PATIENT).until(body)
}

/// Fails unless the start fails with this reason, leaves nothing, and the next one succeeds.
#[track_caller]
fn fails_for(service: Service, reason: &str) {
    service.act("start").fails(1, &format!("subject: failed to start: {reason}"));
    service.left_nothing();
    service.act("status").says(3, "subject: not running");
    let next = service.key("body", "ready; wait");
    next.start();
}

#[test]
fn start_returns_when_the_body_says_so_and_not_before() {
    let service = getting_ready("until; ready; wait");
    let mut start = service.begin("start");
    service.log_with("until");
    let daemon = service.daemon();
    assert!(start.try_wait().unwrap().is_none(), "it has returned before the body was ready");
    service.go();
    assert_eq!(Answer::from(start).started(), daemon);
    service.stop(daemon);
    service.left_nothing();
}

#[test]
fn without_the_key_start_doesnt_wait() {
    let service = getting_ready("until; ready; wait").without("wait_ready");
    let daemon = service.start();
    service.stop_by_kill(daemon);
}

#[test]
fn a_body_that_returns_before_it_is_ready_fails() {
    for (body, reason) in [
        ("print", "returned before it was ready"),
        ("code 0", "returned before it was ready"),
        ("code 9", "returned before it was ready"),
        ("exit 0", "exited before it was ready"),
        ("exit 7", "exited before it was ready"),
    ] {
        fails_for(Service::new(body).waiting(PATIENT), reason);
    }
}

#[test]
fn the_reason_is_the_whole_text_of_the_error() {
    fails_for(Service::new("fail the disk is full").waiting(PATIENT), "cannot work: the disk is full");
}

#[test]
fn a_reason_may_be_longer_than_a_pipe_holds() {
    let service = Service::new("long 300000").waiting(PATIENT);
    let answer = service.act("start");
    assert_eq!(answer.status.code(), Some(1));
    assert!(answer.stderr == format!("subject: failed to start: {}\n", "x".repeat(300_000)));
    service.left_nothing();
}

#[test]
fn the_reason_is_the_message_of_the_panic() {
    let service = Service::new("panic out of oil").waiting(PATIENT);
    service.act("start").fails_naming(1, &["subject: failed to start: ", "out of oil"]);
    service.left_nothing();
    assert!(service.log_text().contains("out of oil"), "the log has it too");
}

#[test]
fn a_body_that_is_killed_is_told_and_leaves_nothing() {
    for body in ["kill SIGKILL", "abort", "kill SIGQUIT"] {
        fails_for(Service::new(body).waiting(PATIENT), "the daemon died before it was ready");
    }
}

#[test]
fn a_body_that_says_nothing_in_time_is_stopped() {
    let service = Service::new("wait; print ended").waiting(500);
    service.act("start").fails(
        1,
        "subject: failed to start: not ready after 500ms: the body has not called Context::ready()",
    );
    service.left_nothing();
    assert_eq!(service.log_text(), "stopping true\nended\n", "it may end in order");
}

#[test]
fn a_body_that_says_nothing_and_ignores_stops_is_killed() {
    let service = Service::new("print deaf; park").waiting(500).key("stop_timeout", "50");
    service.act("start").fails(
        1,
        "subject: failed to start: not ready after 500ms: the body has not called Context::ready()",
    );
    service.left_nothing();
    assert_eq!(service.log_text(), "deaf\n");
}

#[test]
fn a_zero_patience_is_no_patience() {
    let service = Service::new("park").waiting(0).key("stop_timeout", "50");
    service.act("start").fails_naming(
        1,
        &["subject: failed to start: not ready after 0s: the body has not called Context::ready()"],
    );
    service.left_nothing();
}

#[test]
fn a_child_that_keeps_the_pipe_open_doesnt_make_start_hang() {
    for (end, reason) in [
        ("kill SIGKILL", "the daemon died before it was ready"),
        ("exit 3", "exited before it was ready"),
        ("print", "returned before it was ready"),
        ("fail it is late", "cannot work: it is late"),
    ] {
        let service = Service::new(&format!("fork park; {end}")).waiting(PATIENT);
        service.act("start").fails(1, &format!("subject: failed to start: {reason}"));
        let child = service.number("forked");
        assert_eq!(service.processes(), [child], "only the body's own child is left, after {end}");
        assert!(!service.pidfile().exists(), "the pidfile is left, after {end}");
        assert_eq!(service.act("status").status.code(), Some(3), "the lock is left, after {end}");
    }
}

#[test]
fn a_failure_while_another_thread_says_that_the_daemon_is_ready_leaves_its_reason() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().key("wait_ready", PATIENT.to_string());
    let (ready, go) = (subject.path("ready"), subject.path("go"));
    let body = format!("herald {}; until {}; fail at last", ready.display(), go.display());
    let subject = subject.graceful(body);
    let start = subject.action("start").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    let thread = daemon.other_threads()[0];
    // The launcher has the word long before the thread knows that it is sent.
    let slowly = Some("sendto,?send,write:delay_exit=1500000");
    let strace = Strace::attach(thread, &subject.path("trace"), slowly);
    fs::write(ready, "").unwrap();
    assert_eq!(Answer::from(start).started(), daemon);
    fs::write(go, "").unwrap();
    assert_eq!(daemon.exit_code(), 1);
    drop(strace);
    subject.left_a_reason();
}

/// Starts with a launcher that is slow at a system call, and a daemon that is not.
fn start_slowly(service: &Service, call: &str) -> Answer {
    let mut command = service.command("strace");
    command.args(["-o", "/dev/null", "-e", &format!("inject={call}:delay_enter=100000")]);
    command.arg(program("service")).arg("start");
    Answer::of(command)
}

#[test]
fn a_launcher_that_comes_late_hears_the_reason_too() {
    if !common::strace_or_skip() {
        return;
    }
    for call in ["pidfd_open", "read"] {
        for (end, reason) in [
            ("kill SIGKILL", "the daemon died before it was ready"),
            ("exit 3", "exited before it was ready"),
            ("fail it is late", "cannot work: it is late"),
        ] {
            for body in [end, &format!("fork park; {end}")] {
                let service = Service::new(body).waiting(PATIENT);
                let answer = start_slowly(&service, call);
                assert_eq!(
                    answer.stderr,
                    format!("subject: failed to start: {reason}\n"),
                    "{body}, slow {call}"
                );
                assert_eq!(answer.status.code(), Some(1));
                assert!(!service.pidfile().exists(), "the pidfile is left, after {body}");
                assert_eq!(service.act("status").status.code(), Some(3), "the lock is left, after {body}");
            }
        }
    }
}

#[test]
fn a_launcher_that_comes_late_hears_that_it_is_ready_too() {
    if !common::strace_or_skip() {
        return;
    }
    for call in ["pidfd_open", "read"] {
        for body in ["ready; wait", "fork park; ready; wait"] {
            let service = Service::new(body).waiting(2000);
            let daemon = start_slowly(&service, call).started();
            service.stop(daemon);
        }
    }
}

#[test]
fn a_child_doesnt_speak_for_the_daemon() {
    let service = Service::new("fork ready & print said; wait").waiting(500);
    service.act("start").fails(
        1,
        "subject: failed to start: not ready after 500ms: the body has not called Context::ready()",
    );
    assert!(service.log_text().contains("said\n"), "{:?}", service.log_text());
    service.left_nothing();
}

#[test]
fn a_childs_exit_isnt_the_daemons() {
    let service = getting_ready("fork exit 3; until; ready; wait");
    let start = service.begin("start");
    let child = service.number("forked");
    child.wait_until_gone();
    service.log_with("until");
    service.go();
    let daemon = Answer::from(start).started();
    assert!(service.pidfile().exists());
    service.stop(daemon);
}

/// Ends the launcher and waits for its end.
fn cancel(mut start: Child, signal: Signal) {
    kill(Pid::from_raw(start.id().try_into().unwrap()), signal).unwrap();
    start.wait().unwrap();
}

#[test]
fn a_launcher_that_goes_takes_the_daemon_along() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        // A body that waits, one that ignores its context, one with threads that ignore it.
        for body in ["print until; wait", "print until; park", "threads 3 park", "print until; pause 100000"]
        {
            let service = Service::new(body).waiting(PATIENT);
            let start = service.begin("start");
            wait_until("the body", || !service.log_text().is_empty());
            let daemon = service.daemon();
            cancel(start, signal);
            daemon.wait_until_gone();
            service.left_nothing();
            service.act("status").says(3, "subject: not running");
        }
    }
}

#[test]
fn a_launcher_that_goes_while_the_daemon_begins_to_watch_it_takes_it_along() {
    if !common::strace_or_skip() {
        return;
    }
    let service = Service::new("park").waiting(PATIENT);
    let trace = service.path("trace");
    let mut command = service.command("strace");
    // The daemon is slow between its first message to the launcher and the next call.
    command.args([
        "-f",
        "-e",
        "trace=sendto,write,fcntl,?fcntl64",
        "-e",
        "inject=fcntl,?fcntl64:delay_enter=200000",
        "-o",
    ]);
    let mut strace = command.arg(&trace).arg(program("service")).arg("start").spawn().unwrap();
    let daemon = service.daemon();
    wait_until("the daemon's first word", || {
        let text = fs::read_to_string(&trace).unwrap_or_default();
        // `sendto(6, …, 13, …) = 13`, or, if the launcher was faster, `<... sendto resumed>) = 13`.
        // The standard library of Rust 1.85 uses `write`.
        let mut lines = text.lines().filter(|line| line.starts_with(&format!("{daemon} ")));
        lines.any(|line| (line.contains("sendto") || line.contains("write")) && line.ends_with(" = 13"))
    });
    let launcher = service.processes().into_iter().find(|process| {
        *process != daemon && process.link("exe") == program("service") && process.command_line().len() > 1
    });
    launcher.expect("a launcher").signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    strace.wait().unwrap();
    service.left_nothing();
}

#[test]
fn a_launcher_that_goes_takes_an_async_daemon_along() {
    let service = Service::variant("late");
    let service = service.key("go", "/no/such/file");
    let start = service.begin("start");
    service.log_with("getting ready");
    let daemon = service.daemon();
    cancel(start, Signal::SIGINT);
    daemon.wait_until_gone();
    service.left_nothing();
}

#[test]
fn ready_ends_a_daemon_that_nobody_waits_for_any_more() {
    // It cannot notice at once that its launcher has gone.
    let service = getting_ready("block SIGIO; until; ready; print survived; wait");
    let start = service.begin("start");
    service.log_with("until");
    let daemon = service.daemon();
    cancel(start, Signal::SIGKILL);
    service.go();
    daemon.wait_until_gone();
    assert_eq!(service.log_text(), "until\n");
    service.left_nothing();
}

#[test]
fn once_ready_the_daemon_doesnt_need_its_launcher() {
    for round in 0..20 {
        let service = Service::new("ready; until; wait").waiting(PATIENT).until("ready; until; wait");
        let daemon = service.start();
        service.log_with("until");
        service.go();
        service.act("reload");
        assert!(daemon.is_alive(), "round {round}");
        service.stop(daemon);
    }
}

#[test]
fn ready_may_be_said_twice_and_to_nobody() {
    for service in [Service::new("").waiting(PATIENT), Service::new("")] {
        let service = service.key("body", "ready; ready; print up; ready; wait; ready");
        let daemon = service.start();
        service.log_with("up");
        service.stop(daemon);
        service.logs("up\nstopping true\n");
    }
    let service = Service::new("ready; ready; print up; wait; ready").waiting(PATIENT);
    let run = service.run();
    service.log_with("up");
    service.stop(run.process);
    assert_eq!(run.answer().status.code(), Some(0));
}

#[test]
fn any_thread_may_say_ready() {
    for body in ["threads 1 until & ready & wait", "threads 1 threads 1 ready; wait"] {
        let service = getting_ready(body);
        service.go();
        let daemon = service.start();
        service.stop(daemon);
    }
    // All at once.
    let service = Service::new("threads 16 ready & wait").waiting(PATIENT);
    let daemon = service.start();
    service.stop(daemon);
}

#[test]
fn a_task_may_say_ready() {
    let service = Service::variant("late");
    let go = service.path("go");
    let service = service.key("go", go);
    let mut start = service.begin("start");
    service.log_with("getting ready");
    assert!(start.try_wait().unwrap().is_none(), "it has returned before the task was ready");
    service.go();
    let daemon = Answer::from(start).started();
    service.stop(daemon);
}

#[test]
fn a_body_without_a_context_is_refused() {
    for form in ["plain", "plain repeat"] {
        let service = Service::new("park").form(form).key("every", "1000").waiting(PATIENT);
        let reason = "subject: failed to start: `wait_ready` needs a body with a `Context`, which reports that it is ready";
        for action in ["start", "restart", "run"] {
            service.act(action).fails(1, reason);
            service.left_nothing();
        }
        service.act("status").says(3, "subject: not running");
        service.act("stop").says(0, "subject: not running");
    }
}

#[test]
fn a_repeating_body_may_say_ready() {
    let service = Service::new("first print up; ready").form("repeat").key("every", "1").waiting(PATIENT);
    let daemon = service.start();
    service.stop(daemon);
    let service = Service::new("fail no tick").form("repeat").key("every", "1").waiting(PATIENT);
    service.act("start").fails(1, "subject: failed to start: cannot work: no tick");
    service.left_nothing();
}

#[test]
fn a_daemon_that_isnt_ready_yet_runs_already() {
    let service = getting_ready("until; ready; wait");
    let start = service.begin("start");
    service.log_with("until");
    let daemon = service.daemon();
    for action in ["start", "run"] {
        service.act(action).fails(1, &format!("subject: already running (pid {daemon})"));
    }
    service.go();
    assert_eq!(Answer::from(start).started(), daemon);
}

#[test]
fn a_stop_before_it_is_ready_is_a_failed_start() {
    let service = Service::new("print up; wait").waiting(PATIENT);
    let start = service.begin("start");
    service.log_with("up");
    let daemon = service.daemon();
    service.stop(daemon);
    Answer::from(start).fails(1, "subject: failed to start: returned before it was ready");
    service.left_nothing();
}

#[test]
fn what_fails_before_the_body_is_told_as_ever() {
    let service = Service::new("ready; wait").waiting(PATIENT).key("stdout", "/no/such/folder/x.log");
    service.act("start").fails_naming(1, &["failed to start: cannot open stdout /no/such/folder/x.log"]);
    service.left_nothing();
}

#[test]
fn restart_waits_too() {
    let service = getting_ready("ready; until; wait").without("wait_ready").waiting(PATIENT);
    let first = service.start();
    service.go();
    let answer = service.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    assert!(!first.is_alive());
    let service = service.key("body", "fail no more");
    service.act("restart").fails(1, "subject: failed to start: cannot work: no more");
    service.left_nothing();
}

#[test]
fn a_failure_after_it_was_ready_is_not_the_launchers() {
    let service = getting_ready("ready; until; fail too late");
    let daemon = service.start();
    service.go();
    assert_eq!(daemon.exit_code(), 1);
    service.logs("until\nsubject: cannot work: too late\n");
    service.left_a_reason();
}

#[test]
fn many_starts_at_once_leave_one_daemon() {
    let service = getting_ready("until; ready; wait");
    let starts: Vec<_> = (0..8).map(|_| service.begin("start")).collect();
    let daemon = service.daemon();
    service.go();
    let answers = starts.into_iter().map(Answer::from);
    let (won, lost): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status.success());
    assert_eq!(won.iter().map(Answer::pid).collect::<Vec<_>>(), [daemon]);
    for answer in lost {
        answer.fails(1, &format!("subject: already running (pid {daemon})"));
    }
    assert_eq!(service.processes(), [daemon]);
}

#[test]
fn the_launcher_and_the_daemon_keep_no_pipe_between_them() {
    let service = Service::new("ready; wait").waiting(PATIENT);
    let daemon = service.start();
    // Both ends of the pipe of `as_fd` are here.
    let pipes = |process: Process| {
        let all = process.descriptors().into_iter().map(|(_, path)| path);
        all.filter(|path| path.starts_with("pipe:") || path.to_string_lossy().starts_with("pipe:")).count()
    };
    wait_until("the end of the readiness pipe", || pipes(daemon) == 2);
    assert!(fs::exists(service.pidfile()).unwrap());
}

/// Starts under strace, which makes a system call of the launcher fail, and of no other process.
#[track_caller]
fn start_without(subject: &Subject, injection: &str) -> Answer {
    let trace = subject.path("trace");
    let mut command = subject.command("strace");
    command.arg("-o").arg(&trace).args(["-e", &format!("inject={injection}")]);
    command.arg(common::program("subject")).arg("start");
    let answer = Answer::of(command);
    // A fault of the second call never occurs if there is one call.
    let is_rare = injection.ends_with("when=2+");
    let came = fs::read_to_string(trace).unwrap().contains("(INJECTED)");
    assert!(came || is_rare, "{injection} came to nothing");
    answer
}

/// Fails unless the start succeeded with a daemon that runs, or failed and left nothing.
#[track_caller]
fn is_true(answer: &Answer, subject: &Subject, what: &str) {
    if answer.status.success() {
        let daemon = answer.started();
        assert!(daemon.is_alive(), "{what}: a success without a daemon");
        assert_eq!(subject.pid_text(), format!("{daemon}\n"), "{what}");
    } else {
        assert_eq!(answer.status.code(), Some(1), "{what}: {answer:?}");
        assert!(answer.stderr.starts_with("subject: failed to start: "), "{what}: {answer:?}");
        wait_until(format_args!("the end of all processes, with {what}"), || subject.processes().is_empty());
        assert!(fs::symlink_metadata(subject.pidfile()).is_err(), "{what}: the pidfile is left");
        subject.act("status").says(3, "subject: not running");
    }
}

#[test]
fn a_body_that_reads_its_own_pidfile_before_it_is_ready_is_told_truly() {
    for end in ["ready; event", "sleep 100; ready; event", "fail it is late", "abort"] {
        for without_pidfd in [false, true] {
            if without_pidfd && !strace_or_skip() {
                continue;
            }
            let subject = Subject::new().key("wait_ready", "20000").key("stop_timeout", "20000");
            let body = format!("read {}; {end}", subject.pidfile().display());
            let subject = subject.graceful(body);
            let answer = if without_pidfd {
                start_without(&subject, "pidfd_open:error=ENOSYS")
            } else {
                subject.act("start")
            };
            is_true(&answer, &subject, end);
            assert_eq!(answer.status.success(), end.ends_with("event"), "{end}: {answer:?}");
        }
    }
}

#[test]
fn a_launcher_that_is_refused_a_pidfd_waits_without_one() {
    if !strace_or_skip() {
        return;
    }
    for call in ["pidfd_open", "pidfd_send_signal"] {
        for error in ["ENOSYS", "EPERM", "EACCES"] {
            let refuse = format!("{call}:error={error}");
            let waiting = Subject::new().key("stop_timeout", "100").key("wait_ready", "20000");
            let subject = waiting.graceful("sleep 50; ready; event");
            // A daemon that becomes ready is not signalled, so only the other call comes to anything.
            if call == "pidfd_open" {
                let daemon = start_without(&subject, &refuse).started();
                subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
            }
            let subject = subject.graceful("fail it is late");
            if call == "pidfd_open" {
                start_without(&subject, &refuse).fails(1, "subject: failed to start: it is late: the cause");
                subject.left_nothing();
            }
            for body in ["event", "park"] {
                let subject =
                    Subject::new().key("stop_timeout", "100").key("wait_ready", "200").graceful(body);
                let begin = Instant::now();
                start_without(&subject, &refuse).fails(
                    1,
                    "subject: failed to start: not ready after 200ms: the body has not called Context::ready()",
                );
                subject.left_nothing();
                assert!(begin.elapsed() < Duration::from_secs(5), "{refuse}: the daemon was not signalled");
            }
        }
    }
}

/// Starts daemons that are ready soon, later or never, with a launcher whose system call fails.
fn is_true_without(faults: &[&str]) {
    if !strace_or_skip() {
        return;
    }
    for fault in faults {
        for (body, patience) in
            [("ready; event", "20000"), ("sleep 50; ready; event", "20000"), ("park", "100")]
        {
            let subject =
                Subject::new().key("stop_timeout", "100").key("wait_ready", patience).graceful(body);
            let answer = start_without(&subject, fault);
            is_true(&answer, &subject, &format!("{fault}, {body}"));
        }
    }
}

#[test]
fn a_launcher_that_cannot_pin_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&["pidfd_open:error=EMFILE", "pidfd_open:error=ENFILE", "pidfd_open:error=ENOMEM"]);
}

#[test]
fn a_launcher_that_cannot_wait_for_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&["poll:error=ENOMEM", "poll:error=ENOMEM:when=2+"]);
}

#[test]
fn a_launcher_that_cannot_hear_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&[
        "recvfrom,?recv:error=EIO",
        "recvfrom,?recv:error=EIO:when=2+",
        "recvfrom,?recv:error=ENOMEM:when=1",
    ]);
}
