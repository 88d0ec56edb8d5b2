//! `stop`: it ends the daemon, the whole daemon, and nothing but the daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    Answer, Process, Subject, available_or_skip, root_or_skip, shim, strace_or_skip, tool_or_skip, wait_for,
    wait_until,
};
use nix::sys::signal::Signal;

fn stopped(daemon: Process) -> String {
    format!("subject: stopped (pid {daemon})")
}

fn unknown(subject: &Subject) -> String {
    format!(
        "subject: unknown: {} is locked by a process that the kernel cannot name; perhaps the holder is in another PID \
         namespace or container, or on another host",
        subject.pidfile().display()
    )
}

fn stale(subject: &Subject) -> String {
    format!("subject: not running (stale pidfile {})", subject.pidfile().display())
}

/// Fails unless every action reports that the holder of a pidfile has no name.
#[track_caller]
fn is_unknown_to_every_action(subject: &Subject) {
    let unknown = unknown(subject);
    for action in ["start", "restart", "stop", "reload", "run"] {
        subject.act(action).fails(1, &unknown);
    }
    subject.act("status").fails(4, &unknown);
}

#[test]
fn stop_returns_when_the_daemon_is_gone() {
    for _ in 0..20 {
        let subject = Subject::new();
        let daemon = subject.start();
        let answer = subject.act("stop");
        assert!(!daemon.is_alive());
        answer.says(0, &stopped(daemon));
        subject.left_nothing();
    }
}

#[test]
fn stop_waits_for_a_body_that_takes_its_time() {
    let subject = Subject::new().graceful("wait; sleep 500; print done");
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    assert!(!daemon.is_alive());
    assert_eq!(subject.log_text(), "stopping true\ndone\n");
    subject.left_nothing();
}

#[test]
fn stop_of_a_stopped_daemon_is_no_error() {
    let subject = Subject::new();
    subject.act("stop").says(0, "subject: not running");
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    subject.act("stop").says(0, "subject: not running");
}

#[test]
fn a_daemon_that_ignores_its_stop_signal_is_killed() {
    let subject = Subject::new().key("stop_timeout", "300").body("block SIGTERM; print deaf; park");
    let daemon = subject.start();
    subject.log_with("deaf");
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM"));
    assert_eq!(daemon.killer(), Signal::SIGKILL);
    subject.left_nothing();
}

#[test]
fn a_body_that_hears_of_the_stop_and_stays_is_killed() {
    let subject = Subject::new().key("stop_timeout", "2000").graceful("wait; park");
    let daemon = subject.start();
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 2s of SIGTERM"));
    assert_eq!(subject.log_text(), "stopping true\n");
    subject.left_nothing();
}

#[test]
fn restart_kills_a_daemon_that_ignores_its_stop_signal() {
    let subject = Subject::new().key("stop_timeout", "300").body("block SIGTERM; print deaf; park");
    let first = subject.start();
    subject.log_with("deaf");
    let answer = subject.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    assert_eq!(first.killer(), Signal::SIGKILL);
    assert_eq!(subject.processes(), [second]);
}

#[test]
fn a_zero_timeout_kills_at_once() {
    let subject = Subject::new().key("stop_timeout", "0").body("block SIGTERM; print deaf; park");
    let daemon = subject.start();
    subject.log_with("deaf");
    let answer = subject.act("stop");
    assert!(answer.stdout.starts_with(&format!("subject: killed (pid {daemon}): ")), "{answer:?}");
    assert_eq!(daemon.killer(), Signal::SIGKILL);
    subject.left_nothing();
}

#[test]
fn the_stop_signal_can_be_chosen() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM] {
        let subject = Subject::new().key("stop_signal", signal.as_str());
        let daemon = subject.start();
        subject.act("stop").says(0, &stopped(daemon));
        assert_eq!(daemon.killer(), signal);
        subject.left_nothing();
    }
}

#[test]
fn a_stop_signal_that_does_nothing_by_default_ends_a_plain_body_too() {
    let subject = Subject::new().key("stop_signal", "SIGWINCH");
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    assert_eq!(daemon.exit_code(), 128 + 28);
    subject.left_nothing();
}

#[test]
fn a_chosen_stop_signal_stops_a_body_with_a_context() {
    let subject = Subject::new().key("stop_signal", "SIGUSR1").graceful("wait; print done");
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    assert_eq!(subject.log_text(), "stopping true\ndone\n");
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn sigterm_and_sigint_stop_a_body_with_a_context_whatever_the_stop_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let subject = Subject::new().key("stop_signal", "SIGUSR1").graceful("wait");
        let daemon = subject.start();
        daemon.signal(signal);
        assert_eq!(daemon.exit_code(), 0);
        subject.left_nothing();
    }
}

#[test]
fn a_stale_pidfile_is_removed_on_the_way() {
    let subject = Subject::new();
    let daemon = subject.start();
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    subject.act("status").says(1, &stale(&subject));
    subject.act("stop").says(0, "subject: not running");
    subject.left_nothing();
}

#[test]
fn a_daemon_whose_pidfile_was_removed_is_not_found_and_ends_in_order() {
    let subject = Subject::new();
    let daemon = subject.start();
    fs::remove_file(subject.pidfile()).unwrap();
    subject.act("status").says(3, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    assert!(daemon.is_alive());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.killer(), Signal::SIGTERM);
    subject.left_nothing();
}

#[test]
fn a_daemon_whose_pidfile_was_replaced_leaves_the_new_one_alone() {
    for script in ["park", "until GO; code 0", "until GO; exit 0", "until GO; panic at the end"] {
        let subject = Subject::new();
        let go = subject.path("go");
        let subject = subject.body(script.replace("GO", go.to_str().unwrap()));
        let daemon = subject.start();
        fs::remove_file(subject.pidfile()).unwrap();
        fs::write(subject.pidfile(), "mine\n").unwrap();
        subject.act("status").says(1, &stale(&subject));
        fs::write(&go, "").unwrap();
        if script == "park" {
            daemon.signal(Signal::SIGTERM);
        }
        daemon.wait_until_gone();
        assert_eq!(subject.pid_text(), "mine\n", "{script}");
    }
}

#[test]
fn two_daemons_over_one_removed_pidfile_do_not_disturb_each_other() {
    let subject = Subject::new();
    let first = subject.start();
    fs::remove_file(subject.pidfile()).unwrap();
    let second = subject.start();
    subject.act("status").runs(second);
    first.signal(Signal::SIGTERM);
    first.wait_until_gone();
    subject.act("status").runs(second);
    assert_eq!(subject.pid_text(), format!("{second}\n"));
    subject.act("stop").says(0, &stopped(second));
    subject.left_nothing();
}

#[test]
fn the_text_may_lie_about_a_running_daemon() {
    let bystander = Subject::new();
    let other = bystander.start();
    let subject = Subject::new();
    let daemon = subject.start();
    for text in [format!("{other}\n"), "nonsense".into(), String::new()] {
        fs::write(subject.pidfile(), text).unwrap();
        subject.act("status").runs(daemon);
        subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    }
    fs::write(subject.pidfile(), format!("{other}\n")).unwrap();
    subject.act("stop").says(0, &stopped(daemon));
    bystander.act("status").runs(other);
}

#[test]
fn a_readers_lock_does_not_make_a_daemon() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    let reader = subject.lock(&subject.pidfile(), "read", 0, 3);
    subject.act("status").says(1, &stale(&subject));
    subject.act("reload").fails(1, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    assert!(reader.process.is_alive());
}

#[test]
fn a_start_that_a_readers_lock_refuses_names_the_reader() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    let reader = subject.lock(&subject.pidfile(), "read", 0, 3);
    let held = format!("held by pid {}", reader.process);
    let path = subject.pidfile();
    for action in ["start", "run"] {
        subject.act(action).fails_naming(
            1,
            &["subject: failed to start: cannot lock pidfile ", path.to_str().unwrap(), &held],
        );
    }
    assert_eq!(subject.processes(), []);
    assert_eq!(subject.pid_text(), "7\n");
    drop(reader);
    subject.start();
}

#[test]
fn a_start_waits_for_a_readers_lock_that_goes() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    // It waits for a second, which a busy machine may take until the reader has gone.
    let mut attempts = (0..5).map(|_| {
        let reader = subject.lock(&subject.pidfile(), "read", 0, 1);
        let mut start = subject.action("start").spawn().unwrap();
        wait_until("a daemon that tries", || {
            subject.processes().len() >= 2 || start.try_wait().unwrap().is_some()
        });
        drop(reader);
        Answer::from(start)
    });
    let answer = attempts.find(|answer| answer.status.success()).expect("a start that waits");
    subject.act("status").runs(answer.started());
}

#[test]
fn a_remover_of_a_stale_file_is_not_taken_for_the_daemon() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    let remover = subject.lock(&subject.pidfile(), "write", 1, 1);
    subject.act("status").says(1, &stale(&subject));
    subject.act("reload").fails(1, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    assert!(remover.process.is_alive());
    let held = format!("held by pid {}", remover.process);
    subject.act("start").fails_naming(1, &[&held]);
}

#[test]
fn a_lock_without_an_owner_is_unknown_to_every_action() {
    for byte in [0, 2] {
        let subject = Subject::new();
        fs::write(subject.pidfile(), "7\n").unwrap();
        let holder = subject.lock(&subject.pidfile(), "description", byte, 1);
        is_unknown_to_every_action(&subject);
        assert!(holder.process.is_alive());
        assert_eq!(subject.pid_text(), "7\n");
    }
}

#[test]
fn a_body_that_reads_its_own_pidfile_never_gets_a_twin() {
    let subject = Subject::new();
    let script = format!("read {}; print read; park", subject.pidfile().display());
    let subject = subject.body(script);
    let daemon = subject.start();
    subject.log_with("read");
    is_unknown_to_every_action(&subject);
    assert_eq!(subject.processes(), [daemon]);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.killer(), Signal::SIGTERM);
    subject.left_nothing();
}

#[test]
fn actions_inside_the_daemon_do_it_no_harm() {
    for script in ["ACTS; print done; park", "ACTS; print done; wait"] {
        let acts =
            ["start", "run", "stop", "restart", "status", "reload"].map(|action| format!("act {action}"));
        let script = script.replace("ACTS", &acts.join(";"));
        let subject = Subject::new();
        let subject = if script.contains("wait") { subject.graceful(script) } else { subject.body(script) };
        let daemon = subject.start();
        let log = subject.log_with("done");
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines[0], format!("start: subject: already running (pid {daemon})"));
        assert_eq!(lines[1], format!("run: subject: already running (pid {daemon})"));
        assert!(
            lines[2].starts_with("stop: subject: failed to stop: ") && lines[2].contains("`Context`"),
            "{log}"
        );
        assert!(
            lines[3].starts_with("restart: subject: failed to stop: ") && lines[3].contains("`Context`"),
            "{log}"
        );
        assert!(lines[4].starts_with(&format!("status: subject: running (pid {daemon}, up ")), "{log}");
        assert_eq!(lines[5], format!("reload: subject: reloaded (pid {daemon})"));
        assert_eq!(lines.len(), 7, "{log}");
        subject.act("status").runs(daemon);
        subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
        subject.act("stop").says(0, &stopped(daemon));
        subject.left_nothing();
    }
}

#[test]
fn a_child_of_the_daemon_may_stop_it() {
    let subject = Subject::new().body("fork act stop; park");
    let daemon = subject.start();
    let log = subject.log_with(&format!("stop: {}", stopped(daemon)));
    assert!(!daemon.is_alive(), "{log}");
    subject.leaves_nothing();
}

#[test]
fn a_forked_child_that_outlives_a_killed_daemon_makes_it_unknown() {
    let subject = Subject::new().body("fork park; park");
    let daemon = subject.start();
    let child = wait_for_child(&subject, daemon);
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    is_unknown_to_every_action(&subject);
    assert!(child.is_alive());
    child.signal(Signal::SIGKILL);
    child.wait_until_gone();
    subject.act("status").says(1, &stale(&subject));
    subject.start();
}

#[test]
fn a_forked_child_that_outlives_a_stop_is_left_alone_and_in_nobodys_way() {
    let subject =
        Subject::new().key("stop_timeout", "300").body("fork park; block SIGTERM; print deaf; park");
    let daemon = subject.start();
    let child = wait_for_child(&subject, daemon);
    subject.log_with("deaf");
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM"));
    assert!(child.is_alive());
    subject.act("status").says(3, "subject: not running");
    let next = subject.start();
    subject.act("status").runs(next);
}

fn wait_for_child(subject: &Subject, daemon: Process) -> Process {
    wait_until("a child", || subject.processes().len() == 2);
    subject.processes().into_iter().find(|process| *process != daemon).unwrap()
}

#[test]
fn a_daemon_in_another_pid_namespace_is_unknown() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let subject = Subject::new();
    let daemon = subject.start();
    for (action, code) in [("stop", 1), ("start", 1), ("reload", 1), ("restart", 1), ("status", 4)] {
        let inside = ["unshare", "-p", "-f", "sh", "-c", "\"$0\" \"$@\"; exit $?"];
        Answer::of(subject.wrapped(&inside, action)).fails(code, &unknown(&subject));
    }
    subject.act("status").runs(daemon);
}

/// A process that gets the daemon's PID after an action has asked for the lock's holder.
const RECYCLE: &str = r#"
"$0" start || exit
pid=$(cat "$SUBJECT_PIDFILE")
trace=$SUBJECT_FOLDER/trace
strace -f -o $trace -P "$SUBJECT_PIDFILE" -e inject=fcntl,?fcntl64:signal=STOP:when=1 "$0" stop &
strace=$!
until stop=$(sed -n "s/ --- stopped by SIGSTOP ---//p" $trace 2>/dev/null) && [ "$stop" ]; do :; done
kill -KILL $pid
while [ -e /proc/$pid ]; do (:); done
echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid
sleep 100 &
echo "$pid is now $!"
kill -CONT $stop
wait $strace
kill -0 $! && echo "and lives"
"#;

#[test]
fn a_process_that_has_got_the_daemons_pid_is_not_signalled() {
    let may_choose = ["sh", "-c", "echo 1 | unshare -p -f tee /proc/sys/kernel/ns_last_pid"];
    if !root_or_skip() || !strace_or_skip() || !tool_or_skip(&may_choose) {
        return;
    }
    let subject = Subject::new();
    let namespace = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", RECYCLE];
    let answer = Answer::of(subject.wrapped(&namespace, "recycle"));
    let daemon = answer.pid();
    answer.says(
        0,
        &format!(
            "subject: started (pid {daemon})\n{daemon} is now {daemon}\nsubject: not running\nand lives"
        ),
    );
}

#[test]
fn the_first_process_of_a_pid_namespace_is_stopped_like_any_other() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    for context in [false, true] {
        let subject = Subject::new();
        let subject =
            if context { subject.graceful("print up; wait") } else { subject.body("print up; park") };
        let container = subject.wrapped(&["unshare", "-p", "-f"], "run").spawn().unwrap();
        wait_until("the pidfile", || subject.pid_text() == "1\n");
        wait_until("one process", || subject.processes().len() == 1);
        let daemon = subject.processes()[0];
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &stopped(daemon));
        let answer = Answer::from(container);
        assert_eq!(answer.status.code(), Some(if context { 0 } else { 128 + 15 }), "{answer:?}");
        subject.left_nothing();
    }
}

#[test]
fn a_daemon_that_is_suspended_is_killed() {
    let subject = Subject::new().key("stop_timeout", "300").graceful("wait");
    let daemon = subject.start();
    daemon.signal(Signal::SIGSTOP);
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM"));
    subject.left_nothing();
}

#[test]
fn a_timeout_beyond_any_clock_is_none() {
    let subject = Subject::new().key("stop_timeout", u64::MAX.to_string());
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
}

#[test]
fn a_stop_sleeps_in_no_loop() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().graceful("wait; sleep 300");
    let daemon = subject.start();
    Answer::of(subject.traced(&[], "stop")).says(0, &stopped(daemon));
    let trace = fs::read_to_string(subject.path("trace")).unwrap();
    assert!(!trace.contains("nanosleep("), "{trace}");
    let waits = trace.lines().filter(|line| line.contains(" poll([{fd=") || line.contains(" ppoll([{fd="));
    assert!(waits.count() <= 2, "{trace}");
}

#[test]
fn without_pidfd_a_stop_does_the_same() {
    if !strace_or_skip() {
        return;
    }
    let without = ["-e", "inject=pidfd_open:error=ENOSYS"];
    let subject = Subject::new().graceful("wait; sleep 100");
    let daemon = subject.start();
    Answer::of(subject.traced(&without, "reload")).says(0, &format!("subject: reloaded (pid {daemon})"));
    Answer::of(subject.traced(&without, "stop")).says(0, &stopped(daemon));
    subject.leaves_nothing();
    let subject = Subject::new().key("stop_timeout", "300").body("block SIGTERM; print deaf; park");
    let daemon = subject.start();
    subject.log_with("deaf");
    let killed = format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM");
    Answer::of(subject.traced(&without, "stop")).says(0, &killed);
    subject.leaves_nothing();
}

/// The calls on pidfds, each refused alone and both together.
const REFUSED: [&str; 3] = ["pidfd_open", "pidfd_send_signal", "pidfd_open,pidfd_send_signal"];

#[test]
fn where_pidfds_are_refused_every_action_does_the_same() {
    if !strace_or_skip() {
        return;
    }
    for (calls, error) in REFUSED.iter().flat_map(|calls| [(calls, "EPERM"), (calls, "EACCES")]) {
        let refuse = ["-e", &format!("inject={calls}:error={error}")];
        let subject = Subject::new().graceful("event; event; sleep 100");
        let daemon = subject.start();
        let reload = Answer::of(subject.traced(&refuse, "reload"));
        reload.says(0, &format!("subject: reloaded (pid {daemon})"));
        subject.log_with("Reload");
        Answer::of(subject.traced(&refuse, "stop")).says(0, &stopped(daemon));
        assert!(!daemon.is_alive(), "stop has returned before the end of the process");
        subject.leaves_nothing();
        let subject = Subject::new().key("stop_timeout", "300").body("block SIGTERM; print deaf; park");
        let daemon = subject.start();
        subject.log_with("deaf");
        let killed = format!("subject: killed (pid {daemon}): did not exit within 300ms of SIGTERM");
        Answer::of(subject.traced(&refuse, "stop")).says(0, &killed);
        subject.leaves_nothing();
        // strace follows the new daemon, so this returns when that ends.
        let subject = Subject::new();
        let first = subject.start();
        let child = subject.traced(&refuse, "restart").spawn().unwrap();
        let second = wait_for("the new daemon", || {
            let pid = subject.pid_text().trim().parse().ok().map(Process)?;
            (pid != first).then_some(pid)
        });
        subject.act("stop").says(0, &stopped(second));
        Answer::from(child).says(0, &format!("subject: restarted (pid {second})"));
        assert!(!first.is_alive());
    }
}

#[test]
fn where_kill_is_refused_too_permission_is_denied() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let daemon = subject.start();
    for calls in REFUSED {
        let refuse = ["-e", &format!("inject={calls},kill:error=EPERM")];
        for action in ["stop", "reload", "restart"] {
            Answer::of(subject.traced(&refuse, action)).fails(
                4,
                &format!(
                    "subject: permission denied: cannot signal pid {daemon}: Operation not permitted (os error 1)"
                ),
            );
        }
    }
    subject.act("status").runs(daemon);
}

/// Prepares an action on a system whose `/proc/PID/fdinfo` has no line about locks.
fn without_lock_lines(subject: &Subject, library: &Path, action: &str) -> Command {
    let mut command = subject.action(action);
    command.env("LD_PRELOAD", library);
    command
}

#[test]
fn lock_lines_that_are_never_there_prove_nothing() {
    let subject = Subject::new();
    let Some(library) = shim::without_lock_lines(&subject.path(".")) else { return };
    let act = |action| Answer::of(without_lock_lines(&subject, &library, action));
    let first = act("start").started();
    let begin = Instant::now();
    act("status").runs(first);
    act("reload").says(0, &format!("subject: reloaded (pid {first})"));
    for action in ["start", "run"] {
        act(action).fails(1, &format!("subject: already running (pid {first})"));
    }
    let restarted = act("restart");
    let second = restarted.pid();
    restarted.says(0, &format!("subject: restarted (pid {second})"));
    act("stop").says(0, &stopped(second));
    subject.left_nothing();
    act("status").says(3, "subject: not running");
    // Each of three actions would try for a second to take the lock.
    assert!(begin.elapsed() < Duration::from_secs(3), "an action has waited for the lines");
    // The answer does not depend on the number of the descriptor.
    let subject = subject.key("open", "/dev/null");
    let third = subject.start();
    Answer::of(without_lock_lines(&subject, &library, "status")).runs(third);
}

#[test]
fn the_usual_path_asks_nothing_about_lock_lines() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    subject.start();
    for action in ["status", "reload", "stop"] {
        Answer::of(subject.traced(&[], action));
        let trace = fs::read_to_string(subject.path("trace")).unwrap();
        assert!(!trace.contains("/proc/self/fdinfo"), "{action}: {trace}");
        assert!(!trace.contains("/exe\""), "{action}: {trace}");
    }
}

#[test]
fn a_daemon_that_may_not_remove_its_pidfile_empties_it() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let daemon = Answer::of(subject.by_nobody("start")).started();
    fs::set_permissions(subject.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.killer(), Signal::SIGTERM);
    assert_eq!(subject.pid_text(), "");
    subject.act("status").says(3, "subject: not running");
    let daemon = Answer::of(subject.by_nobody("start")).started();
    Answer::of(subject.by_nobody("stop")).says(0, &stopped(daemon));
    subject.act("status").says(3, "subject: not running");
}

/// Suspends an action after it has first asked for the lock's holder, and does something meanwhile.
fn while_it_asks(subject: &Subject, action: &str, meanwhile: impl FnOnce()) -> Answer {
    let (child, asking) =
        subject.held(&["-P", subject.pidfile().to_str().unwrap()], "fcntl,?fcntl64", action);
    assert!(fs::read_to_string(subject.path("trace")).unwrap().contains("F_GETLK"));
    meanwhile();
    asking.signal(Signal::SIGCONT);
    Answer::from(child)
}

#[test]
fn a_daemon_that_starts_while_it_is_looked_for_is_not_unknown() {
    if !strace_or_skip() {
        return;
    }
    for action in ["start", "status", "stop", "reload"] {
        let subject = Subject::new();
        fs::write(subject.pidfile(), "7\n").unwrap();
        let answer = while_it_asks(&subject, action, || {
            subject.start();
        });
        assert!(!answer.stderr.contains("unknown"), "{action}: {answer:?}");
    }
}

#[test]
fn a_daemon_that_ends_while_it_is_looked_for_leaves_no_stale_pidfile() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new();
    let daemon = subject.start();
    let (status, asking) = subject.held(&["-P", subject.pidfile().to_str().unwrap()], "openat", "status");
    subject.act("stop").says(0, &stopped(daemon));
    asking.signal(Signal::SIGCONT);
    Answer::from(status).says(3, "subject: not running");
}

#[test]
fn a_killed_daemon_with_much_to_close_is_in_nobodys_way() {
    // The kernel releases its locks one after the other, so for a moment only the one without an
    // owner is left.
    for action in ["start", "restart", "run", "stop", "status"] {
        let subject = Subject::new().body("hoard; print hoarded; park");
        let daemon = Answer::of(subject.after("ulimit -n $(ulimit -Hn)", "start")).started();
        subject.log_with("hoarded");
        daemon.signal(Signal::SIGKILL);
        let answer = subject.body("nothing").act(action);
        assert!(!answer.stderr.contains("unknown"), "{action}: {answer:?}");
    }
}

#[test]
fn starts_and_stops_at_once_leave_at_most_one_daemon() {
    let subject = Subject::new();
    for _ in 0..5 {
        let actions = ["start", "stop"].into_iter().cycle().take(16);
        let children: Vec<_> = actions.map(|action| subject.action(action).spawn().unwrap()).collect();
        for answer in children.into_iter().map(Answer::from) {
            let refused = answer.stderr.starts_with("subject: already running");
            assert!(answer.status.success() || refused, "{answer:?}");
        }
        match *subject.processes() {
            [] => subject.act("status").says(3, "subject: not running"),
            [daemon] => {
                subject.act("status").runs(daemon);
                assert_eq!(subject.pid_text(), format!("{daemon}\n"));
            }
            ref many => panic!("{many:?}"),
        }
    }
}

/// Starts a daemon that takes the pidfile of another one by a step of its script.
fn usurper(subject: &Subject, step: &str) -> (Subject, Process) {
    let usurper = Subject::new().body(format!("{step} {}; park", subject.pidfile().display()));
    let process = usurper.start();
    (usurper, process)
}

/// Returns the rest of a line of the log.
fn word(subject: &Subject, beginning: &str) -> Option<String> {
    let text = subject.log_text();
    let (_, rest) = text.split_once(&format!("{beginning} "))?;
    Some(rest.split_once('\n')?.0.to_owned())
}

/// Fails unless the holder of the lock is unknown to every action, no process is signalled, and
/// there is no second daemon.
#[track_caller]
fn is_unknown(subject: &Subject) {
    let pidfile = subject.pidfile();
    let parts = ["subject: ", "unknown: ", pidfile.to_str().unwrap()];
    subject.act("status").fails_naming(4, &parts);
    for action in ["stop", "reload", "restart"] {
        subject.act(action).fails_naming(1, &parts);
    }
    subject.act("start").fails_naming(1, &["subject: "]);
    assert_eq!(subject.processes(), [], "there is a second daemon");
    assert_eq!(subject.act("status").status.code(), Some(4), "the lock isn't kept");
}

#[test]
fn a_lock_that_a_dead_process_has_left_to_another_names_nobody() {
    let subject = Subject::new();
    let (usurper, keeper) = usurper(&subject, "bequeath");
    let dead = wait_for("the lock", || word(&usurper, "bequeathed"));
    assert!(!Process(dead.parse().unwrap()).is_alive());
    is_unknown(&subject);
    assert!(keeper.is_alive(), "the keeper is signalled");
}

#[test]
fn who_gets_the_number_of_a_dead_process_that_left_its_lock_is_never_signalled() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let (usurper, keeper) = usurper(&subject, "reincarnate");
    let said = wait_for("a namesake", || word(&usurper, "reincarnated").or(word(&usurper, "refused")));
    let namesake = said.parse().map(Process);
    if !available_or_skip("clone3 with set_tid", namesake.is_ok()) {
        return;
    }
    let namesake = namesake.unwrap();
    is_unknown(&subject);
    assert!(namesake.is_alive(), "an innocent process is signalled");
    assert!(keeper.is_alive(), "the keeper is signalled");
}

#[test]
fn without_pidfd_a_stop_waits_for_a_body_that_has_read_its_own_pidfile() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().key("stop_timeout", "20000");
    let body = format!("event; read {}; print read; sleep 300; print ended", subject.pidfile().display());
    let subject = subject.graceful(body);
    let daemon = subject.start();
    let stop = subject.traced(&["-e", "inject=pidfd_open:error=ENOSYS"], "stop");
    Answer::of(stop).says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(!daemon.is_alive(), "stop has returned before the end of the process");
    assert!(fs::read_to_string(subject.path("trace")).unwrap().contains("(INJECTED)"));
    assert_eq!(subject.log_text(), "Stop\nread\nended\n");
}

#[test]
fn a_daemon_without_a_handler_for_the_stop_signal_gets_sigterm() {
    // The earlier version of a program, and a later one with another `stop_signal`.
    for action in ["stop", "restart"] {
        let subject =
            Subject::new().key("stop_timeout", "20000").graceful("print up; wait; print cleaned up");
        let daemon = subject.start();
        subject.log_with("up");
        let subject = subject.key("stop_signal", "SIGUSR1");
        let answer = subject.act(action);
        assert_eq!(answer.status.code(), Some(0), "{answer:?}");
        assert_eq!(daemon.exit_code(), 0, "{action}");
        subject.log_with("cleaned up");
        // The later version handles the signal itself.
        if action == "restart" {
            let daemon = subject.processes()[0];
            wait_until("its handlers", || daemon.signals("SigCgt").contains(&Signal::SIGUSR1));
            subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        }
    }
}

#[test]
fn the_message_of_a_kill_names_the_signal_that_was_sent() {
    let subject = Subject::new().key("stop_timeout", "200").body("block SIGTERM; print deaf; park");
    let daemon = subject.start();
    subject.log_with("deaf");
    let subject = subject.key("stop_signal", "SIGUSR2");
    subject
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 200ms of SIGTERM"));
}
