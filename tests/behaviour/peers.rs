//! What the best known crates of this kind assert in their own test suites, asserted of this crate.
//!
//! | peer | its suite |
//! |---|---|
//! | `daemonize` 0.5 | `daemonize-tests` in its repository: six tests with a helper program |
//! | `fork` 0.11 | `tests/daemon_tests.rs`, `checked_daemon_tests.rs`, `stdio_redirect_tests.rs` and others; what it asserts of a bare `fork`, `waitpid` or process group has no counterpart here |
//! | `daemonizr` 0.1 | unit tests of `search()`, and `tests/lock_holding.rs` |
//! | `libslack` 0.7, in C | the test of `daemon_init` at the end of its `daemon.c` |
//!
//! Each test names its origin. None has code from there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{
    Answer, Conversation, Process, Subject, root_or_skip, strace_or_skip, tool_or_skip, wait_until,
};
use nix::sys::signal::Signal;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// `daemonize`, `simple`: it starts with the defaults alone.
///
/// Here the defaults include a pidfile, in a directory of the user.
#[test]
fn the_defaults_are_enough() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all().without("pidfile").without("stdout");
    let act = |action: &str| {
        let mut command = subject.by_nobody(action);
        command.env("XDG_STATE_HOME", subject.path("."));
        Answer::of(command)
    };
    let daemon = act("start").started();
    act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// `daemonize`, `chdir`: the working directory is `/`, or the chosen one.
///
/// `fork`, `test_daemon_with_nochdir`: the caller's directory can be kept. Here it has to be
/// chosen.
#[test]
fn the_directory_is_the_root_the_chosen_or_the_callers() {
    let subject = Subject::new();
    assert_eq!(subject.start().link("cwd"), Path::new("/"));
    subject.act("stop");
    let subject = subject.key("working_directory", "/usr");
    assert_eq!(subject.start().link("cwd"), Path::new("/usr"));
    subject.act("stop");
    let subject = subject.key("working_directory", ".");
    let mut command = subject.action("start");
    command.current_dir("/usr/bin");
    assert_eq!(Answer::of(command).started().link("cwd"), fs::canonicalize("/usr/bin").unwrap());
}

/// `fork`, `test_daemon_creates_detached_process`, `test_chdir_with_file_operations`,
/// `test_chdir_process_isolation`: the body itself finds that it is in the root directory, and its
/// relative paths begin there. The caller stays where it was.
#[test]
fn the_body_is_in_its_own_directory_and_the_caller_in_the_callers() {
    let subject = Subject::new();
    let folder = subject.path(".").canonicalize().unwrap();
    let subject = subject.body("directory; read etc/passwd; park");
    let mut command = subject.action("converse");
    command.current_dir(&folder);
    let mut caller = Conversation::with(&mut command);
    assert!(caller.say("start").starts_with("Started"));
    assert_eq!(subject.log_with("/"), "/\n");
    assert!(caller.say("stop").starts_with("Stopped"));
    assert_eq!(caller.process.link("cwd"), folder);
    fs::remove_file(subject.log()).unwrap();
    let subject = subject.key("working_directory", &folder).body("directory; make relative; park");
    subject.start();
    subject.log_with(folder.to_str().unwrap());
    wait_until("the file", || folder.join("relative").exists());
}

/// `daemonize`, `umask`: what the daemon makes has the permissions that its umask leaves.
#[test]
fn what_the_daemon_makes_obeys_its_umask() {
    let subject = Subject::new().key("umask", "222");
    let log = subject.log();
    let daemon = subject.start();
    assert_eq!(mode(&log), 0o444);
    assert!(fs::metadata(&log).unwrap().permissions().readonly());
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

/// `daemonize`, `umask`: so has a file that the body makes. Here the caller's own umask does not
/// matter, and stays as it was.
#[test]
fn what_the_body_makes_obeys_the_umask() {
    for (umask, expected) in [(None, 0o644), (Some("222"), 0o444), (Some("077"), 0o600), (Some("0"), 0o666)] {
        for callers in ["0000", "0777"] {
            let subject = Subject::new();
            let made = subject.path("made");
            let subject = subject.body(format!("make {}; park", made.display()));
            let subject = umask.into_iter().fold(subject, |subject, mask| subject.key("umask", mask));
            let mut caller = Conversation::with(&mut subject.after(&format!("umask {callers}"), "converse"));
            assert!(caller.say("start").starts_with("Started"));
            wait_until("the file", || made.exists());
            assert_eq!(mode(&made), expected, "umask {umask:?} after {callers}");
            assert_eq!(caller.process.status("Umask"), callers);
        }
    }
}

/// `daemonize`, `pid`: the file has the daemon's PID and a newline, and a second start with it
/// fails.
#[test]
fn the_pidfile_has_the_pid_and_a_newline_and_a_second_start_fails() {
    let subject = Subject::new();
    let daemon = subject.start();
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
}

/// `daemonize`, `redirect_stream`: each stream goes to its file, and no other file is made.
///
/// Here stderr follows stdout unless it has a file of its own, so that no panic is lost.
#[test]
fn each_stream_goes_to_its_own_file() {
    let said = "print to stdout; warn to stderr";
    let subject = Subject::new().body(said);
    let (out, err) = (subject.path("out"), subject.path("err"));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let subject = subject.key("stdout", &out).key("stderr", &err);
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!((read(&out), read(&err)), ("to stdout\n".into(), "to stderr\n".into()));
    fs::remove_file(&out).unwrap();
    fs::remove_file(&err).unwrap();
    let subject = subject.without("stderr");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(read(&out), "to stdout\nto stderr\n");
    assert!(!err.exists());
    fs::remove_file(&out).unwrap();
    let subject = subject.without("stdout").key("stderr", &err);
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(read(&err), "to stderr\n");
    assert!(!out.exists());
}

/// `daemonize`, `redirect_stream`: what was printed is in the file, whole. There each stream has a
/// file of its own; here one file for both has the lines of both, in their order, after what it had
/// before, however its path is written.
#[test]
fn one_log_has_the_lines_of_both_streams_in_order() {
    let numbers = |first: u32| first..first + 300;
    let script = |first| {
        let verb = |number| if number % 3 == 0 { "print" } else { "warn" };
        let steps: Vec<_> = numbers(first).map(|number| format!("{} line {number}", verb(number))).collect();
        steps.join(";")
    };
    let text = |first| {
        let lines: Vec<_> = numbers(first).map(|number| format!("line {number}")).collect();
        lines.join("\n")
    };
    for stderr in [None, Some("subject.log"), Some("./subject.log"), Some("other/subject.log")] {
        let subject = Subject::new();
        std::os::unix::fs::symlink(".", subject.path("other")).unwrap();
        fs::write(subject.log(), "old\n").unwrap();
        let errors = stderr.map(|name| subject.path(name));
        let subject = errors.into_iter().fold(subject, |subject, path| subject.key("stderr", path));
        let subject = subject.graceful(format!("{}; event; {}; wait", script(0), script(300)));
        let daemon = subject.start();
        subject.log_with("line 299");
        let rotated = subject.path("rotated.log");
        fs::rename(subject.log(), &rotated).unwrap();
        subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        subject.log_with("line 599");
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert_eq!(fs::read_to_string(&rotated).unwrap(), format!("old\n{}\n", text(0)), "{stderr:?}");
        assert_eq!(subject.log_text(), format!("Reload\n{}\nstopping true\n", text(300)), "{stderr:?}");
    }
}

/// `daemonize`, the examples before its suite (`test_uid_gid`, `test_chroot`): the daemon gets the
/// chosen user, group and root directory.
#[test]
fn the_daemon_is_whom_and_where_it_was_told() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "65534").key("group", "65534");
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root);
    let daemon = subject.start();
    for field in ["Uid", "Gid"] {
        assert_eq!(daemon.status(field).split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    }
    assert_eq!(daemon.link("root"), root);
    assert_eq!(daemon.link("cwd"), root);
}

/// `daemonize`, the example before its suite (`test_double_run`): of two starts in a row the second
/// fails, and the first daemon lives.
///
/// `daemonizr`, `test_second_spawn_gets_ewouldblock`: the second start fails with an exit code and
/// a message.
#[test]
fn the_second_of_two_fails_and_the_first_lives() {
    let subject = Subject::new();
    let daemon = subject.start();
    let answer = subject.act("start");
    assert!(!answer.status.success());
    assert!(answer.stderr.contains("already running"), "{answer:?}");
    subject.act("run").fails(1, &format!("subject: already running (pid {daemon})"));
    assert_eq!(subject.processes(), [daemon]);
    subject.act("status").runs(daemon);
}

/// `fork`, `test_daemon_creates_detached_process`, `test_double_fork_daemon_pattern`: the daemon is
/// another process, with another parent.
#[test]
fn the_daemon_is_no_child_of_its_caller() {
    let subject = Subject::new();
    let mut caller = subject.converse();
    assert!(caller.say("start").starts_with("Started"));
    let daemon = Process(subject.pid_text().trim().parse().unwrap());
    assert_ne!(daemon, caller.process);
    assert_ne!(daemon.parent(), Some(caller.process));
    assert_eq!(caller.process.children(), "");
    caller.end();
    assert!(daemon.is_alive());
}

/// `fork`, `test_daemon_process_group`, `test_setsid_creates_new_session`: the daemon has a session
/// and a process group of its own, and leads neither.
#[test]
fn the_daemon_leads_neither_its_session_nor_its_group() {
    let subject = Subject::new();
    let daemon = subject.start();
    let [parent, group, session] = [4, 5, 6].map(|field| daemon.stat(field).unwrap());
    assert!(![group, session].contains(&daemon.0));
    assert_eq!(group, session);
    let here = Process(std::process::id().try_into().unwrap());
    assert_ne!(Some(Process(session)), here.session());
    assert!(parent > 0);
}

/// `fork`, `test_daemon_no_controlling_terminal`: `/dev/tty` cannot be opened.
#[test]
fn the_daemon_has_no_terminal_to_open() {
    if !tool_or_skip(&["script", "-qec", "true", "/dev/null"]) {
        return;
    }
    let subject = Subject::new().body("read /dev/tty");
    // The caller has a terminal only because `script` makes one.
    let start = format!("tty && {} start", common::program("subject").display());
    let mut terminal = subject.command("script");
    terminal.args(["-qec", &start, "/dev/null"]);
    let answer = Answer::of(terminal);
    assert!(answer.stdout.contains("/dev/pts/"), "the caller had none: {answer:?}");
    assert_eq!(answer.pid().exit_code(), 101);
    assert!(subject.log_text().contains("No such device or address"), "{}", subject.log_text());
}

/// `fork`, `test_daemon_with_command_execution`: the body can run a program and wait for it.
#[test]
fn the_body_can_run_a_program() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.body(format!("fork print hello from a child; until {}", go.display()));
    let daemon = subject.start();
    subject.log_with("hello from a child");
    fs::write(go, "").unwrap();
    assert_eq!(daemon.exit_code(), 0);
}

/// `fork`, `test_daemon_never_returns_parent`: the body runs in the daemon only, and the code after
/// the call in the caller only.
#[test]
fn the_call_returns_in_the_caller_alone() {
    let subject = Subject::new().body("print the body; park");
    let mut caller = subject.converse();
    assert!(caller.say("start").starts_with("Started"));
    subject.log_with("the body");
    assert!(caller.say("status").starts_with("Running"));
    assert_eq!(subject.log_text(), "the body\n");
    // There are the caller's answers, none twice, and no output of the body.
    let rest = caller.end();
    assert_eq!((rest.status.code(), rest.stdout.as_str()), (Some(0), ""));
}

/// `fork`, `parent_returns_only_after_detached_daemon_is_ready`: when the call has returned, the
/// daemon is set up, and its streams lead to `/dev/null`.
#[test]
fn the_call_returns_when_all_is_set_up() {
    let subject = Subject::new().without("stdout");
    let folder = subject.path(".").canonicalize().unwrap();
    let subject = subject.key("working_directory", &folder);
    for _ in 0..20 {
        let daemon = subject.start();
        assert_eq!(subject.pid_text(), format!("{daemon}\n"));
        assert_eq!(daemon.link("cwd"), folder);
        for stream in ["fd/0", "fd/1", "fd/2"] {
            assert_eq!(daemon.link(stream), Path::new("/dev/null"));
        }
        subject.act("stop");
    }
}

/// `fork`, `failure_after_detachment_preserves_stage_and_errno`, `test_chdir_error_handling`: the
/// caller reports what fails in the daemon, with the step and the system's error.
#[test]
fn a_failure_after_the_forks_keeps_its_step_and_error() {
    let subject = Subject::new().key("working_directory", "/no/such/folder");
    let reason = "failed to start: cannot enter working_directory /no/such/folder";
    subject.act("start").fails(1, &format!("subject: {reason}: No such file or directory (os error 2)"));
    subject.left_nothing();
}

/// `fork`, `daemon_can_report_initialization_failure`: the daemon's own initialization may fail after
/// it was set up, and the caller reports why. Nothing is left.
#[test]
fn a_failure_of_the_bodys_own_initialization_reaches_the_caller() {
    for (body, reason) in [
        ("fail the disk is full", "the disk is full: the cause"),
        ("panic the disk is full", "panicked: the disk is full"),
    ] {
        let subject = Subject::new().key("wait_ready", "20000").graceful(body);
        let mut caller = subject.converse();
        assert_eq!(caller.say("start"), format!("subject: failed to start: {reason}"));
        assert_eq!(subject.processes(), [caller.process]);
        assert!(!subject.pidfile().exists());
        assert_eq!(caller.process.children(), "");
    }
    // An initialization that succeeds.
    let subject = Subject::new().key("wait_ready", "20000").graceful("ready; wait");
    subject.act("status").says(3, "subject: not running");
    let daemon = subject.start();
    subject.act("status").runs(daemon);
}

/// `fork`, `startup_timeout_kills_the_owned_daemon_group`: a daemon that is not ready in time is
/// killed, and the caller reports that.
#[test]
fn a_daemon_that_is_not_ready_in_time_is_killed() {
    // It hears neither that it is to stop nor that its launcher goes.
    let deaf = "block SIGTERM; block SIGIO; park";
    let subject = Subject::new().key("wait_ready", "25").key("stop_timeout", "25").graceful(deaf);
    subject.act("start").fails_naming(1, &["subject: failed to start: not ready after 25ms"]);
    subject.left_nothing();
    subject.act("status").says(3, "subject: not running");
}

/// `fork`, `descriptor_plan_failure_is_reported_before_fork`: an invalid plan is refused before a
/// fork.
#[test]
fn what_cannot_be_is_refused_before_the_fork() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().key("umask", "1000");
    Answer::of(subject.traced(&["-e", "trace=clone,clone3,fork,vfork,setsid"], "start"))
        .fails_naming(1, &["`umask`"]);
    let calls = fs::read_to_string(subject.path("trace")).unwrap();
    assert!(!calls.contains("clone") && !calls.contains("fork") && !calls.contains("setsid"), "{calls}");
    subject.left_nothing();
}

/// `fork`, `dropped_notifier_is_reported_as_abandoned_startup`: a daemon that exits without a
/// report is a failure.
#[test]
fn a_daemon_that_goes_without_a_word_is_a_failure() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    Answer::of(subject.traced(&["-e", "trace=umask", "-e", "inject=umask:signal=KILL"], "start"))
        .fails(1, "subject: failed to start: the daemon died before it was ready");
    subject.left_nothing();
}

/// `fork`, `preserved_descriptor_survives_detachment`: the daemon can write to a file that was
/// opened before.
#[test]
fn a_file_of_the_callers_survives() {
    let subject = Subject::new();
    let notes = subject.path("notes");
    let subject = subject.key("open", &notes).body("note preserved");
    assert_eq!(subject.start().exit_code(), 0);
    assert_eq!(fs::read_to_string(&notes).unwrap(), "preserved\n");
}

/// `fork`, `startup_handshake_retries_repeated_eintr`, `test_waitpid_retries_on_eintr`: signals
/// that interrupt the waiting caller do not disturb the start.
#[test]
fn a_caller_that_is_interrupted_goes_on() {
    if !strace_or_skip() {
        return;
    }
    // The calls by which it waits after the fork, each with the number of earlier calls of the same
    // name, which are not to be interrupted.
    let subject = Subject::new();
    Answer::of(of_the_launcher(&subject, "trace=all", "start")).started();
    let calls = fs::read_to_string(subject.path("trace")).unwrap();
    subject.act("stop");
    let names: Vec<_> = calls.lines().filter_map(|line| Some(line.split_once('(')?.0)).collect();
    let fork = names.iter().position(|name| name.contains("clone") || name.contains("fork")).expect("a fork");
    let (before, after) = names.split_at(fork);
    let waits = ["read", "recv", "recvfrom", "recvmsg", "poll", "ppoll", "wait4", "waitid", "waitpid"];
    let used: Vec<_> = waits.into_iter().filter(|wait| after.contains(wait)).collect();
    assert!(used.len() >= 2, "it waits for the daemon and for its own child: {used:?}");
    for call in used {
        let first = before.iter().filter(|name| **name == call).count() + 1;
        let interrupt = format!("inject={call}:error=EINTR:when={first}..{}", first + 7);
        let daemon = Answer::of(of_the_launcher(&subject, &interrupt, "start")).started();
        let calls = fs::read_to_string(subject.path("trace")).unwrap();
        assert_eq!(calls.matches("EINTR (Interrupted system call) (INJECTED)").count(), 8, "{calls}");
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

/// Prepares an action with strace on the caller and not on the daemon.
fn of_the_launcher(subject: &Subject, expression: &str, action: &str) -> Command {
    let trace = subject.path("trace");
    subject.wrapped(&["strace", "-o", trace.to_str().unwrap(), "-e", expression], action)
}

/// `fork`, `test_redirect_stdio_prevents_fd_reuse`, `test_redirect_stdio_println_safety`,
/// `test_daemon_uses_redirect_stdio`: no file ever gets one of the descriptors 0 to 2, so nothing
/// is printed into it, even if the caller has closed them.
#[test]
fn nothing_printed_gets_into_a_file_of_the_body() {
    for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        let subject = Subject::new().without("stdout");
        let notes = subject.path("notes");
        let subject =
            subject.key("open", &notes).body("print debug; warn debug; note data; half debug; note data");
        let answer = Answer::of(subject.after(closed, "start"));
        assert!(answer.status.success(), "{closed}: {answer:?}");
        wait_until("the end", || subject.processes().is_empty());
        assert_eq!(fs::read_to_string(&notes).unwrap(), "data\ndata\n", "{closed}");
        subject.left_nothing();
    }
}

/// `fork`, `daemon_rejects_auto_reaping` refuses a caller that ignores SIGCHLD. Here such a caller
/// works, as `waitable_children.rs` asserts for what it supports.
#[test]
fn a_caller_that_ignores_its_children_is_served_too() {
    let subject = Subject::new();
    let daemon = Answer::of(subject.wrapped(&["env", "--ignore-signal=CHLD"], "start")).started();
    assert!(!daemon.signals("SigIgn").contains(&Signal::SIGCHLD));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// `fork`, `waitable_children.rs`: a caller with `SA_NOCLDWAIT` has no child to wait for. Every action
/// works there too, and still does if such a caller adopts the daemon.
#[test]
fn a_caller_whose_children_leave_no_zombie_is_served_too() {
    for adopts in [false, true] {
        let subject = Subject::new().key("nocldwait", "");
        let subject = if adopts { subject.key("subreaper", "") } else { subject };
        let mut caller = subject.converse();
        let daemon = || Process(subject.pid_text().trim().parse().expect("a pid"));
        assert!(caller.say("start").starts_with("Started"));
        let first = daemon();
        assert_eq!(first.parent() == Some(caller.process), adopts);
        assert!(caller.say("start").ends_with(&format!("already running (pid {first})")));
        assert!(caller.say("restart").starts_with("Restarted"));
        let second = daemon();
        assert_ne!(first, second);
        let stopped = format!("Stopped {{ pid: {second} }} subject: stopped (pid {second})");
        assert_eq!(caller.say("stop"), stopped);
        assert_eq!(caller.say("status"), "NotRunning subject: not running");
        assert_eq!(caller.process.children(), "");
        caller.end();
        subject.left_nothing();
    }
}

/// `fork`, `subreaper.rs`: a caller that adopts orphans gets the daemon as its child, and its exit
/// status. The first child of the start is none of its business.
#[test]
fn a_caller_that_adopts_orphans_gets_the_daemon_and_its_exit_status() {
    let subject = Subject::new();
    let go = subject.path("go");
    let subject = subject.key("subreaper", "").body(format!("until {}; code 42", go.display()));
    let mut caller = subject.converse();
    let daemon = || Process(subject.pid_text().trim().parse().expect("a pid"));
    assert!(caller.say("start").starts_with("Started"));
    let first = daemon();
    assert_eq!(first.parent(), Some(caller.process));
    assert_eq!(caller.process.children(), format!("{first} "));
    // A zombie does not run, so `restart` and `stop` do not wait for the caller to take its status.
    assert!(caller.say("restart").starts_with("Restarted"));
    assert_eq!(caller.say("reap"), format!("Ok(Signaled(Pid({first}), SIGTERM, false))"));
    let second = daemon();
    fs::write(&go, "").unwrap();
    assert_eq!(caller.say("reap"), format!("Ok(Exited(Pid({second}), 42))"));
    assert!(caller.say("status").contains("subject: failed "));
    assert_eq!(caller.process.children(), "");
    caller.end();
    subject.left_a_reason();
}

/// `fork`, `daemon_waitid_denied.rs`: a container that denies a call for waiting does not break the
/// start. Here the calls that may be missing are those on pidfds.
#[test]
fn a_container_that_denies_pidfds_is_no_obstacle() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    for error in ["ENOSYS", "EPERM"] {
        let deny = format!("inject=pidfd_open:error={error}");
        let daemon = Answer::of(of_the_launcher(&subject, &deny, "start")).started();
        let stop = of_the_launcher(&subject, &deny, "stop");
        Answer::of(stop).says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

/// `fork`, `test_fork_child_inherits_environment`: the daemon inherits the caller's environment.
#[test]
fn the_callers_environment_is_the_daemons() {
    let subject = Subject::new();
    let mut command = subject.action("start");
    command.env("SUBJECT_OF_A_TEST", "a value");
    let daemon = Answer::of(command).started();
    assert!(Process::with_environment("SUBJECT_OF_A_TEST=a value").contains(&daemon));
}

/// `daemonizr`, `test_search_no_pidfile_returns_no_daemon_found`.
#[test]
fn without_a_pidfile_there_is_no_daemon() {
    let subject = Subject::new();
    subject.act("status").says(3, "subject: not running");
    subject.left_nothing();
}

/// `daemonizr`, `test_search_stale_pidfile_returns_no_daemon_found`: an unlocked file with a PID is
/// no daemon.
#[test]
fn an_unlocked_pidfile_is_no_daemon() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "99999\n").unwrap();
    let stale = format!("subject: not running (stale pidfile {})", subject.pidfile().display());
    subject.act("status").says(1, &stale);
    assert_eq!(subject.pid_text(), "99999\n");
}

/// `daemonizr`, `test_search_locked_pidfile_returns_pid`: the holder of the lock is the daemon, and
/// is named.
#[test]
fn who_holds_the_lock_is_the_daemon() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "").unwrap();
    let holder = subject.lock(&subject.pidfile(), "write", 0, 2);
    subject.act("status").runs(holder.process);
    subject.act("start").fails(1, &format!("subject: already running (pid {})", holder.process));
    drop(holder);
    subject.act("status").says(3, "subject: not running");
}

/// `daemonizr`, `test_search_locked_pidfile_returns_pid`: there the holder itself asks, and is told its
/// own PID. Here it also keeps its lock, which a record lock would lose as the file is closed, and is
/// not made to stop itself.
#[test]
fn a_holder_that_asks_for_itself_is_told_and_keeps_its_lock() {
    let script = "act status; act start; act stop; act restart; act reload; act status; print asked; park";
    let is_told = |subject: &Subject, daemon: Process, text: &str| {
        let lines: Vec<_> = text.lines().collect();
        let running = format!("status: subject: running (pid {daemon}, up ");
        assert!(lines[0].starts_with(&running) && lines[5].starts_with(&running), "{text}");
        assert_eq!(lines[1], format!("start: subject: already running (pid {daemon})"));
        for line in [2, 3] {
            assert!(lines[line].contains("this is the daemon itself"), "{text}");
        }
        assert_eq!(lines[4], format!("reload: subject: reloaded (pid {daemon})"));
        assert_eq!(lines[6..], ["asked"], "{text}");
        // Others see the same daemon, with the same lock.
        subject.act("status").runs(daemon);
        subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    };
    let subject = Subject::new().body(script);
    let daemon = subject.start();
    is_told(&subject, daemon, &subject.log_with("asked"));
    let subject = Subject::new().body(script);
    let mut command = subject.action("run");
    command.stdout(fs::File::create(subject.log()).unwrap());
    let run = subject.run_by(command);
    is_told(&subject, run.process, &subject.log_with("asked"));
    run.answer();
}

/// `daemonizr`, `test_flock_second_lock_is_ewouldblock`: no other process gets the daemon's lock.
#[test]
fn nobody_else_gets_the_lock() {
    let subject = Subject::new();
    subject.start();
    let mut locker = subject.command(common::program("locker"));
    locker.arg(subject.pidfile()).args(["write", "0", "1"]);
    let answer = Answer::of(locker);
    assert!(!answer.status.success() && !answer.stdout.contains("locked\n"), "{answer:?}");
}

/// `daemonizr`, `test_lock_held_for_process_lifetime`: the lock is held as long as the daemon
/// lives, and is free after it was killed.
#[test]
fn the_lock_is_held_for_life_and_goes_with_a_killed_daemon() {
    let subject = Subject::new();
    let daemon = subject.start();
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    daemon.signal(Signal::SIGKILL);
    assert_eq!(daemon.killer(), Signal::SIGKILL);
    let next = subject.start();
    assert_ne!(next, daemon);
    subject.act("status").runs(next);
}

/// `libslack`, the test of `daemon_init`: the program sets a handler for SIGTERM before it becomes a
/// daemon, the daemon sends itself that signal, and the handler is called. Here the daemon then ends
/// as its body says, and without its pidfile.
#[test]
fn a_handler_for_sigterm_from_before_is_the_daemons() {
    for action in ["start", "run"] {
        let subject =
            Subject::new().key("handler", "SIGTERM").body("raise SIGTERM; print cleaned up; code 7");
        if action == "start" {
            assert_eq!(subject.start().exit_code(), 7);
            assert_eq!(subject.log_text(), "hooked\ncleaned up\n");
        } else {
            let answer = subject.act("run");
            assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(7), "hooked\ncleaned up\n"));
        }
        subject.left_nothing();
    }
}
