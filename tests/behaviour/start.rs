//! `start` and `restart`: one daemon, which is ready when the action returns, or nothing at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Answer, Process, Subject, lines, root_or_skip, strace_or_skip, tool_or_skip, wait_until};
use nix::sys::signal::Signal;

#[test]
fn start_returns_when_the_daemon_holds_a_complete_pidfile() {
    for _ in 0..20 {
        let subject = Subject::new();
        let daemon = subject.start();
        assert_eq!(subject.pid_text(), format!("{daemon}\n"));
        assert!(daemon.is_alive());
        subject.act("status").runs(daemon);
    }
}

#[test]
fn start_leaves_one_process() {
    let subject = Subject::new();
    let daemon = subject.start();
    assert_eq!(subject.processes(), [daemon]);
}

#[test]
fn second_start_is_refused() {
    let subject = Subject::new();
    let daemon = subject.start();
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    assert_eq!(subject.processes(), [daemon]);
}

#[test]
fn of_ten_starts_at_once_one_wins() {
    let subject = Subject::new();
    one_of_ten_wins(&subject);
}

#[test]
fn of_ten_starts_at_once_over_a_stale_file_one_wins() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "4194304\n").unwrap();
    one_of_ten_wins(&subject);
}

fn one_of_ten_wins(subject: &Subject) {
    let starts: Vec<_> = (0..10).map(|_| subject.action("start").spawn().unwrap()).collect();
    let answers: Vec<_> = starts.into_iter().map(Answer::from).collect();
    let (started, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status.success());
    assert_eq!(started.len(), 1, "{answers:?}");
    let daemon = started[0].started();
    for answer in refused {
        answer.fails(1, &format!("subject: already running (pid {daemon})"));
    }
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    assert_eq!(subject.processes(), [daemon]);
}

#[test]
fn start_works_after_the_daemon_was_killed() {
    let subject = Subject::new();
    let first = subject.start();
    first.signal(Signal::SIGKILL);
    first.wait_until_gone();
    assert!(subject.pidfile().exists());
    let second = subject.start();
    assert_eq!(subject.pid_text(), format!("{second}\n"));
    assert_eq!(subject.processes(), [second]);
}

#[test]
fn the_text_of_a_pidfile_is_not_trusted() {
    let bystander = Subject::new();
    let other = bystander.start();
    let own = std::process::id().to_string();
    for text in ["", "\n", "garbage", "0\n", "-1\n", "1\n", "4294967295\n", &own, &format!("{other}\n")] {
        let subject = Subject::new();
        let put = || fs::write(subject.pidfile(), text).unwrap();
        put();
        match text {
            "" => subject.act("status").says(3, "subject: not running"),
            _ => subject.act("status").says(1, &stale(&subject)),
        }
        subject.act("reload").fails(1, "subject: not running");
        subject.act("stop").says(0, "subject: not running");
        put();
        let daemon = subject.start();
        assert_eq!(subject.pid_text(), format!("{daemon}\n"), "over {text:?}");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
    bystander.act("status").runs(other);
    assert_eq!(bystander.log_text(), "");
}

fn stale(subject: &Subject) -> String {
    format!("subject: not running (stale pidfile {})", subject.pidfile().display())
}

#[test]
fn relative_paths_are_the_callers() {
    let subject = Subject::new()
        .key("pidfile", "here.pid")
        .key("stdout", "here.log")
        .key("stderr", "here.err")
        .key("stdin", "here.txt")
        .key("working_directory", "inside")
        .body("print out; warn err; park");
    fs::create_dir(subject.path("inside")).unwrap();
    fs::write(subject.path("here.txt"), "").unwrap();
    let act = |action| {
        let mut command = subject.action(action);
        command.current_dir(subject.path("."));
        Answer::of(command)
    };
    let daemon = act("start").started();
    assert_eq!(fs::read_to_string(subject.path("here.pid")).unwrap(), format!("{daemon}\n"));
    assert_eq!(daemon.link("cwd"), subject.path("inside"));
    for (stream, name) in ["here.txt", "here.log", "here.err"].into_iter().enumerate() {
        assert_eq!(daemon.link(&format!("fd/{stream}")), subject.path(name));
    }
    wait_until("the logs", || fs::read_to_string(subject.path("here.err")).unwrap() == "err\n");
    assert_eq!(fs::read_to_string(subject.path("here.log")).unwrap(), "out\n");
    act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(!subject.path("here.pid").exists());
}

#[test]
fn a_process_with_a_second_thread_cannot_start() {
    let subject = Subject::new().key("thread", "");
    for action in ["start", "restart"] {
        subject.act(action).fails_naming(1, &["subject: failed to start: ", "2 threads"]);
        subject.left_nothing();
        assert!(!subject.log().exists());
    }
}

#[test]
fn a_restart_that_cannot_start_stops_nothing() {
    let subject = Subject::new();
    let daemon = subject.start();
    let subject = subject.key("thread", "");
    subject.act("restart").fails_naming(1, &["2 threads"]);
    subject.act("status").runs(daemon);
}

#[test]
fn a_process_with_a_second_thread_can_do_the_rest() {
    let subject = Subject::new();
    let daemon = subject.start();
    let subject = subject.key("thread", "");
    subject.act("status").runs(daemon);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn restart_replaces_the_daemon() {
    let subject = Subject::new();
    let first = subject.start();
    let answer = subject.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    assert_ne!(first, second);
    assert_eq!(subject.processes(), [second]);
    assert_eq!(subject.pid_text(), format!("{second}\n"));
}

#[test]
fn restart_of_a_stopped_daemon_starts_it() {
    let subject = Subject::new();
    let daemon = subject.act("restart").started();
    subject.act("status").runs(daemon);
}

#[test]
fn the_output_of_start_ends_when_start_does() {
    // `Answer` waits for the end of both pipes. A daemon that kept them open would prevent it.
    let subject = Subject::new();
    let daemon = subject.start();
    assert!(daemon.descriptors().iter().all(|(_, to)| !to.to_string_lossy().starts_with("pipe:")));
}

#[test]
fn text_that_the_caller_has_not_flushed_is_written_once() {
    let subject = Subject::new().key("early", "early ").body("print late; park");
    let answer = subject.act("start");
    assert_eq!(answer.stdout, format!("early subject: started (pid {})\n", answer.pid()));
    assert_eq!(subject.log_with("late"), "late\n");
}

#[test]
fn a_failed_start_leaves_nothing() {
    let subject = Subject::new();
    let subject = {
        let log = subject.path("missing/subject.log");
        subject.key("stdout", log)
    };
    subject.act("start").fails_naming(
        1,
        &[
            "subject: failed to start: cannot open stdout ",
            "missing/subject.log",
            "No such file or directory (os error 2)",
        ],
    );
    subject.left_nothing();
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn a_failure_is_told_when_nothing_is_left() {
    if !strace_or_skip() {
        return;
    }
    for pidfd in ["none:error=ENOSYS", "pidfd_open:error=ENOSYS", "pidfd_open:error=EPERM"] {
        let subject = Subject::new().key("working_directory", "/no/such/folder");
        // The daemon ends later than the child between it and its launcher.
        let late = ["-e", "inject=umask:delay_enter=300000", "-e", "inject=exit_group:delay_enter=500000"];
        let refused = format!("inject={pidfd}");
        let without = if pidfd.starts_with("none") { &[][..] } else { &["-e", &refused][..] };
        let mut strace = subject.traced(&[&late, without].concat(), "start").spawn().unwrap();
        let message = lines(strace.stderr.take().unwrap()).recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(message.starts_with("subject: failed to start: "), "{message}");
        assert!(subject.processes().len() <= 1, "the launcher is not alone, with {pidfd}");
        assert!(!subject.pidfile().exists());
        assert_eq!(Answer::from(strace).status.code(), Some(1));
    }
}

#[test]
fn a_caller_that_lives_on_is_left_as_it_was() {
    let subject = Subject::new();
    let mut caller = subject.converse();
    caller.say("status");
    let state = |process: Process| {
        let fields = ["Umask", "SigBlk", "SigIgn", "SigCgt", "Threads", "TracerPid"]
            .map(|field| process.status(field));
        (fields, process.link("cwd"), process.session(), process.descriptors())
    };
    let before = state(caller.process);
    let answer = caller.say("start");
    assert!(answer.contains("subject: started (pid "), "{answer}");
    assert_eq!(state(caller.process), before);
    assert_eq!(caller.process.children(), "", "a child is left, perhaps a zombie");
    let daemon = subject.processes().into_iter().find(|process| *process != caller.process).unwrap();
    assert_eq!(caller.say("start"), format!("subject: already running (pid {daemon})"));
    assert_eq!(caller.say("stop"), format!("Stopped {{ pid: {daemon} }} subject: stopped (pid {daemon})"));
    assert_eq!(state(caller.process), before);
    assert!(caller.end().status.success());
}

#[test]
fn a_failed_start_leaves_the_caller_as_it_was() {
    let subject = Subject::new().key("working_directory", "/nowhere/at/all");
    let mut caller = subject.converse();
    caller.say("status");
    let state =
        |process: Process| (process.status("SigBlk"), process.status("SigCgt"), process.descriptors());
    let before = state(caller.process);
    let answer = caller.say("start");
    assert!(answer.starts_with("subject: failed to start: "), "{answer}");
    assert_eq!(state(caller.process), before);
    assert_eq!(caller.process.children(), "");
    assert_eq!(subject.processes(), [caller.process]);
}

#[test]
fn one_caller_can_start_stop_and_start_again() {
    let subject = Subject::new();
    let mut caller = subject.converse();
    for _ in 0..3 {
        assert!(caller.say("start").contains("subject: started"));
        assert!(caller.say("restart").contains("subject: restarted"));
        assert!(caller.say("stop").contains("subject: stopped"));
        assert_eq!(subject.processes(), [caller.process]);
    }
}

#[test]
fn a_daemon_whose_launcher_was_killed_gives_up() {
    launcher_ends_by(Signal::SIGKILL);
}

#[test]
fn ctrl_c_at_the_launcher_cancels_the_daemon() {
    launcher_ends_by(Signal::SIGINT);
}

fn launcher_ends_by(signal: Signal) {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().body("print alive; park");
    let (strace, daemon) = subject.held(&[], "umask", "start");
    let launcher = subject.processes().into_iter().find(|process| *process != daemon);
    launcher.expect("the launcher waits").signal(signal);
    launcher.expect("the launcher waited").wait_until_gone();
    daemon.signal(Signal::SIGCONT);
    let answer = Answer::from(strace);
    assert_eq!(answer.signal(), Some(signal), "{answer:?}");
    subject.leaves_nothing();
    assert_eq!(subject.log_text(), "", "the body was called");
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn a_signal_during_the_start_is_heard_once_the_daemon_is_ready() {
    if !strace_or_skip() {
        return;
    }
    for context in [false, true] {
        let subject = Subject::new();
        let subject = if context { subject.graceful("wait") } else { subject };
        let (strace, daemon) = subject.held(&[], "umask", "start");
        daemon.signal(Signal::SIGTERM);
        daemon.signal(Signal::SIGCONT);
        assert_eq!(Answer::from(strace).started(), daemon);
        subject.leaves_nothing();
        assert_eq!(subject.log_text(), if context { "stopping true\n" } else { "" });
    }
}

#[test]
fn a_start_whose_file_is_replaced_on_the_way_to_the_lock_is_refused() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let (pidfile, elsewhere) = (subject.pidfile(), subject.path("elsewhere.pid"));
    let subject = subject.key("pidfile", &elsewhere);
    let other = subject.start();
    let subject = subject.key("pidfile", &pidfile);
    fs::write(&pidfile, "7\n").unwrap();
    let (strace, daemon) = subject.held(&["-P", pidfile.to_str().unwrap()], "openat", "start");
    assert!(daemon.has_open(&pidfile));
    fs::rename(&elsewhere, &pidfile).unwrap();
    daemon.signal(Signal::SIGCONT);
    Answer::from(strace).fails(1, &format!("subject: already running (pid {other})"));
    subject.act("status").runs(other);
    assert_eq!(subject.processes(), [other]);
    assert_eq!(subject.pid_text(), format!("{other}\n"));
}

#[test]
fn a_daemon_that_dies_before_it_is_ready_is_a_failure() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let kill = ["-e", "trace=umask", "-e", "inject=umask:signal=KILL"];
    Answer::of(subject.traced(&kill, "start"))
        .fails(1, "subject: failed to start: the daemon died before it was ready");
    subject.left_nothing();
}

#[test]
fn a_lock_that_cannot_be_had_is_a_failure() {
    if !strace_or_skip() {
        return;
    }
    // With nothing closed, no descriptor of the daemon has to be moved by an `fcntl`.
    let subject = Subject::new().key("close_fds", "false");
    let pidfile = subject.pidfile();
    let no_lock = ["-P", pidfile.to_str().unwrap(), "-e", "inject=fcntl,?fcntl64:error=ENOLCK"];
    Answer::of(subject.traced(&no_lock, "start")).fails(
        1,
        &format!(
            "subject: failed to start: cannot lock pidfile {}: No locks available (os error 37)",
            pidfile.display()
        ),
    );
    assert_eq!(subject.processes(), []);
    let daemon = subject.start();
    subject.act("status").runs(daemon);
}

#[test]
fn what_the_system_refuses_is_named_and_nothing_is_left() {
    if !strace_or_skip() {
        return;
    }
    for (call, code, message) in [
        (
            "socketpair:error=EMFILE",
            1,
            "failed to start: cannot make a channel: Too many open files (os error 24)",
        ),
        (
            "clone,clone3,fork:error=EAGAIN:when=1",
            1,
            "failed to start: cannot fork: Resource temporarily unavailable (os error 11)",
        ),
        (
            "setsid:error=EPERM",
            4,
            "permission denied: cannot make a session: Operation not permitted (os error 1)",
        ),
        (
            "dup2,dup3:error=EBUSY",
            1,
            "failed to start: cannot redirect the standard streams: Device or resource busy (os error 16)",
        ),
        (
            "chdir:error=EIO",
            1,
            "failed to start: cannot enter working_directory /: Input/output error (os error 5)",
        ),
    ] {
        let subject = Subject::new();
        let refuse = format!("inject={call}");
        Answer::of(subject.traced(&["-e", &refuse], "start")).fails(code, &format!("subject: {message}"));
        subject.left_nothing();
    }
}

#[test]
fn what_the_system_refuses_of_the_pidfile_is_named_and_nothing_is_left() {
    if !strace_or_skip() {
        return;
    }
    for (call, verb, error) in [
        ("write:error=ENOSPC", "write", "No space left on device (os error 28)"),
        ("write:error=EIO", "write", "Input/output error (os error 5)"),
        ("openat:error=EROFS:when=2", "open", "Read-only file system (os error 30)"),
    ] {
        let subject = Subject::new();
        let (pidfile, refuse) = (subject.pidfile(), format!("inject={call}"));
        let path = pidfile.to_str().unwrap();
        Answer::of(subject.traced(&["-P", path, "-e", &refuse], "start"))
            .fails(1, &format!("subject: failed to start: cannot {verb} pidfile {path}: {error}"));
        subject.left_nothing();
    }
}

#[test]
fn a_file_system_without_description_locks_will_do() {
    if !strace_or_skip() {
        return;
    }
    for error in ["EINVAL", "ENOLCK"] {
        let subject = Subject::new().key("close_fds", "false");
        let (pidfile, refuse) = (subject.pidfile(), format!("inject=fcntl,?fcntl64:error={error}:when=3"));
        let without = ["-P", pidfile.to_str().unwrap(), "-e", &refuse];
        // strace follows the daemon, so it exits when the daemon does.
        let start = subject.traced(&without, "start").spawn().unwrap();
        wait_until("the pidfile", || subject.pid_text().ends_with('\n'));
        let daemon = Process(subject.pid_text().trim().parse().unwrap());
        wait_until("the body", || subject.act("status").stdout.starts_with("subject: running"));
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        Answer::from(start).started();
        let trace = fs::read_to_string(subject.path("trace")).unwrap();
        let is_refused = |line: &str| line.contains("F_OFD_SETLK") && line.ends_with("(INJECTED)");
        assert!(trace.lines().any(is_refused), "{trace}");
        subject.left_nothing();
    }
}

#[test]
fn an_interrupted_start_goes_on() {
    let subject = Subject::new();
    let mut caller = subject.converse();
    caller.say("status");
    for _ in 0..20 {
        caller.begin("start");
        for _ in 0..20 {
            caller.process.signal(Signal::SIGSTOP);
            caller.process.signal(Signal::SIGCONT);
        }
        assert!(caller.hear().contains("subject: started"));
        assert!(caller.say("stop").contains("subject: stopped"));
    }
}

#[test]
fn a_folder_may_be_reached_by_a_link() {
    let subject = Subject::new();
    fs::create_dir(subject.path("real")).unwrap();
    symlink(subject.path("real"), subject.path("link")).unwrap();
    let pidfile = subject.path("link/x.pid");
    let subject = subject.key("pidfile", pidfile);
    let daemon = subject.start();
    assert_eq!(fs::read_to_string(subject.path("real/x.pid")).unwrap(), format!("{daemon}\n"));
}

#[test]
fn without_proc_everything_works() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-m", "umount", "-l", "/proc"]) {
        return;
    }
    let subject = Subject::new();
    let act = |action| {
        let blind = "while umount -l /proc 2>/dev/null; do :; done; exec env --ignore-signal=HUP,USR1 \"$0\" \"$@\" 9</etc/passwd";
        Answer::of(subject.wrapped(&["unshare", "-m", "sh", "-c", blind], action))
    };
    let daemon = act("start").started();
    assert_eq!(daemon.signals("SigIgn"), [Signal::SIGPIPE]);
    assert!(!daemon.has_open(Path::new("/etc/passwd")));
    act("status").says(0, &format!("subject: running (pid {daemon})"));
    act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn a_start_without_its_directory_in_a_chroot_leaves_no_pidfile() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("working_directory", "/missing");
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root);
    subject.act("start").fails_naming(1, &["subject: failed to start: ", "/missing"]);
    subject.left_nothing();
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn process_1_of_a_container_is_told_to_run_instead() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let subject = Subject::new();
    for action in ["start", "restart"] {
        Answer::of(subject.wrapped(&["unshare", "-p", "-f"], action))
            .fails_naming(1, &["subject: failed to start: this is process 1", "`run`"]);
        subject.left_nothing();
    }
}

#[test]
fn who_gets_the_orphans_gets_no_zombie_of_a_failed_start() {
    for (key, value) in [("working_directory", "/nowhere/at/all"), ("wait_ready", "50")] {
        let subject = Subject::new().key("subreaper", "").key(key, value).graceful("park");
        let mut caller = subject.converse();
        assert!(caller.say("start").starts_with("subject: failed to start: "));
        assert_eq!(caller.process.children(), "", "with {key}");
    }
}

/// The processes that have dropped what the body owns.
fn drops(subject: &Subject) -> Vec<String> {
    let text = fs::read_to_string(subject.path("drops")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_daemon_alone_drops_what_its_body_owns() {
    for action in ["start", "restart"] {
        for (keys, script) in [
            (&[][..], "print up; until go"),
            (&[("context", "1")], "print up; wait"),
            (&[("context", "1"), ("wait_ready", "20000")], "print up; ready; wait"),
            (&[("every", "20000")], "print up"),
        ] {
            let subject = Subject::new();
            let (guard, go) = (subject.path("drops"), subject.path("go"));
            let script = script.replace("go", go.to_str().unwrap());
            let subject = subject.key("guard", guard).body(&script);
            let subject = keys.iter().fold(subject, |subject, (key, value)| subject.key(key, value));
            let daemon = Answer::of(subject.action(action)).started();
            subject.log_with("up");
            assert_eq!(drops(&subject), [""; 0], "{action} {script}");
            fs::write(go, "").unwrap();
            let subject = subject.without("guard");
            if !keys.is_empty() {
                subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
            }
            daemon.wait_until_gone();
            assert_eq!(drops(&subject), [daemon.to_string()], "{action} {script}");
        }
    }
}

#[test]
fn the_launcher_drops_what_a_body_owns_that_was_not_called() {
    let subject = Subject::new();
    let guard = subject.path("drops");
    let daemon = subject.start();
    let subject = subject.key("guard", guard);
    for action in ["start", "status", "reload", "run"] {
        let begun = subject.action(action).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let caller = begun.id().to_string();
        assert!(begun.wait_with_output().is_ok());
        assert_eq!(drops(&subject), [caller], "{action}");
        fs::remove_file(subject.path("drops")).unwrap();
    }
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    fs::remove_file(subject.path("drops")).unwrap();
    // One that fails in the daemon, before the body is called.
    let subject = subject.key("working_directory", "/no/such/directory");
    let begun = subject.action("start").stderr(Stdio::piped()).spawn().unwrap();
    let caller = begun.id().to_string();
    assert!(!begun.wait_with_output().unwrap().status.success());
    assert_eq!(drops(&subject), [caller]);
}

#[test]
fn a_thread_that_has_been_joined_is_no_obstacle() {
    let subject = Subject::new().key("thread", "joined");
    for _ in 0..20 {
        let daemon = subject.start();
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

#[test]
fn several_threads_are_named() {
    let subject = Subject::new().key("thread", "park");
    subject.act("start").fails_naming(1, &["2 threads (subject, ", "an allocator", "preloaded", "`run`"]);
}

#[test]
fn what_c_has_in_its_buffer_is_written_once_by_the_launcher() {
    let subject = Subject::new().key("printf", "1").graceful("print up; wait");
    let answer = subject.act("start");
    let daemon = subject.processes()[0];
    assert_eq!(answer.stdout, format!("printed by C\nsubject: started (pid {daemon})\n"));
    subject.log_with("up");
    let subject = subject.without("printf");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(subject.log_text(), "up\nstopping true\n");
}

#[test]
fn no_line_is_lost_where_the_launcher_writes_into_the_log() {
    for streams in ["> LOG", "2> LOG >&2", ">> LOG"] {
        let subject = Subject::new().graceful("print the daemon's first line; wait");
        let log = subject.log();
        let redirection = format!("exec {}", streams.replace("LOG", log.to_str().unwrap()));
        let answer = Answer::of(subject.after(&redirection, "start"));
        assert_eq!(answer.status.code(), Some(0), "{answer:?}");
        let daemon = subject.processes()[0];
        let text = subject.log_with("the daemon's first line");
        wait_until("the launcher's line", || {
            subject.log_text().contains(&format!("subject: started (pid {daemon})\n"))
        });
        assert!(text.contains("the daemon's first line\n"), "{streams}: {text}");
        assert_eq!(subject.log_text().lines().count(), 2, "{streams}");
    }
}

/// Cargo tells the macro the name of a binary. rustc alone does not.
#[test]
fn two_whole_programs_that_are_built_without_cargo_have_two_names() {
    let subject = Subject::new();
    let source = subject.path("source.rs");
    fs::write(&source, "#[daemonic::daemon] fn main() { std::thread::park(); }").unwrap();
    let library = common::library("daemonic");
    // Root's default pidfiles are in /run, whichever test runs.
    let names = ["alpha", "beta"].map(|name| format!("daemonic-{name}-{}", std::process::id()));
    for name in &names {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-o"]).arg(subject.path(name)).arg(&source);
        rustc.arg("--extern").arg(format!("daemonic={}", library.display()));
        rustc.arg("-L").arg(library.with_file_name("deps")).env_remove("CARGO_BIN_NAME");
        let output = rustc.output().expect("rustc runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let prepare = |program: &Path, action: &str| {
        let mut command = subject.command(program);
        for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"] {
            command.env(variable, subject.path("."));
        }
        command.arg(action);
        command
    };
    let act = |name: &str, action: &str| Answer::of(prepare(&subject.path(name), action));
    let [alpha, beta] = [&names[0], &names[1]].map(String::as_str);

    let first = act(alpha, "start").pid();
    act(alpha, "start").fails(1, &format!("{alpha}: already running (pid {first})"));
    act(beta, "status").says(3, &format!("{beta}: not running"));
    let second = act(beta, "start").pid();
    act(alpha, "stop").says(0, &format!("{alpha}: stopped (pid {first})"));
    // The name stays when the executable goes, for example by an update.
    let mut deleted = prepare(Path::new("sh"), "-c");
    let (path, status) = (subject.path(beta), r#"exec 3<"$0"; rm "$0"; exec /proc/self/fd/3 stop"#);
    deleted.arg(status).arg(&path);
    Answer::of(deleted).says(0, &format!("{beta}: stopped (pid {second})"));
}
