//! The key `children`: whether the processes that a body has started end with it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Answer, Process, Subject, is_long, root_or_skip, strace_or_skip, tool_or_skip, wait_until};
use nix::sys::signal::Signal;

/// A family whose members end by SIGTERM: one in a session of its own, one whose parent has ended, one child.
const FAMILY: &str = "sh -c 'setsid sleep 1000 & (sleep 1000 &) & sleep 1000' &\n";

/// A family whose members ignore SIGTERM.
const STUBBORN: &str = "(trap '' TERM; setsid sleep 1000 & (sleep 1000 &) & sleep 1000) &\n";

/// A process that notes each SIGTERM in the file `told`, and ends after the first.
const POLITE: &str = r"
(
    trap 'echo told >> $SUBJECT_FOLDER/told; kill $!; exit' TERM
    sleep 1000 &
    : > $SUBJECT_FOLDER/listening
    wait
) &
";

/// A process that notes each SIGTERM in the file `told`, and lives on until `enough` exists.
const CALM: &str = r"
(
    trap 'echo told >> $SUBJECT_FOLDER/told' TERM
    : > $SUBJECT_FOLDER/listening
    until [ -e $SUBJECT_FOLDER/enough ]; do sleep 0.02; done
) &
";

/// Makes a daemon whose body starts these processes, and then runs more steps.
fn parent_of(processes: &str, steps: &str) -> Subject {
    let subject = Subject::new().key("children", "end").key("stop_timeout", "20000");
    subject.started_by(processes, steps)
}

trait Starts {
    fn started_by(self, processes: &str, steps: &str) -> Self;
    fn text(&self, name: &str) -> String;
    fn offspring(&self, daemon: Process) -> Vec<Process>;
}

impl Starts for Subject {
    fn started_by(self, processes: &str, steps: &str) -> Self {
        let file = self.path("family.sh");
        let text = format!("exec >/dev/null 2>&1\n{processes}: > $SUBJECT_FOLDER/started\nexit\n");
        fs::write(&file, text).unwrap();
        let steps = format!("spawn {}; {steps}", file.display());
        self.body(steps)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Lists everything that descends from the daemon, other than the daemon and its body.
    fn offspring(&self, daemon: Process) -> Vec<Process> {
        let own = self.processes();
        self.everything().into_iter().filter(|process| *process != daemon && !own.contains(process)).collect()
    }
}

/// Fails unless a stop of the daemon leaves no process of it.
#[track_caller]
fn stop_leaves_nothing(subject: &Subject, daemon: Process, answer: &str) {
    let stop = subject.act("stop");
    assert!(stop.stdout.starts_with(&format!("subject: {answer} (pid {daemon})")), "{stop:?}");
    assert_eq!(subject.everything(), [], "after the stop");
    subject.left_nothing();
}

/// Waits until the processes of the body are there.
#[track_caller]
fn await_family(subject: &Subject, daemon: Process, sleepers: usize) {
    wait_until("the whole family", || {
        let is_sleeper = |process: &Process| process.command_line().first().is_some_and(|it| it == "sleep");
        subject.path("started").exists()
            && subject.offspring(daemon).into_iter().filter(is_sleeper).count() == sleepers
    });
}

#[test]
fn a_stop_leaves_none_of_a_hundred_families() {
    let subject = parent_of(&FAMILY.repeat(100), "park");
    let daemon = subject.start();
    await_family(&subject, daemon, 300);
    let begun = Instant::now();
    stop_leaves_nothing(&subject, daemon, "stopped");
    assert!(begun.elapsed() < Duration::from_secs(15), "they were killed, and had not to be");
}

#[test]
fn a_stop_leaves_nothing_again_and_again() {
    for round in 0..if is_long() { 1000 } else { 4 } {
        let (families, stubborn) = (1 + round % 7, round % 2);
        let processes = FAMILY.repeat(families) + &STUBBORN.repeat(stubborn);
        let subject = parent_of(&processes, "park").key("stop_timeout", "300");
        let daemon = subject.start();
        // Every third round stops it in the middle of its starts.
        if round % 3 > 0 {
            await_family(&subject, daemon, 3 * (families + stubborn));
        }
        let stop = subject.act("stop");
        assert_eq!(stop.status.code(), Some(0), "round {round}: {stop:?}");
        assert_eq!(subject.everything(), [], "round {round}");
        subject.left_nothing();
    }
}

#[test]
fn those_that_ignore_the_stop_signal_are_killed_in_time() {
    let processes = FAMILY.repeat(5) + &STUBBORN.repeat(5);
    let subject = parent_of(&processes, "park").key("stop_timeout", "300");
    let daemon = subject.start();
    await_family(&subject, daemon, 30);
    let begun = Instant::now();
    stop_leaves_nothing(&subject, daemon, "killed");
    let duration = begun.elapsed();
    assert!(duration >= Duration::from_millis(300), "no time to end: {duration:?}");
    assert!(duration < Duration::from_secs(10), "{duration:?}");
}

/// Waits until the polite process and its `sleep` are there. A shell that has not become `sleep` yet would lose a signal.
#[track_caller]
fn await_polite(subject: &Subject, daemon: Process) {
    await_family(subject, daemon, 1);
    wait_until("a trap", || subject.path("listening").exists());
}

#[test]
fn they_get_the_stop_signal_first_and_once() {
    let subject = parent_of(POLITE, "park");
    let daemon = subject.start();
    await_polite(&subject, daemon);
    stop_leaves_nothing(&subject, daemon, "stopped");
    assert_eq!(subject.text("told"), "told\n");
}

#[test]
fn one_whose_parent_ends_meanwhile_is_told_once() {
    // Its parent ends by the signal, so it becomes the supervisor's child.
    let parent = r"
(
    trap 'while [ ! -s $SUBJECT_FOLDER/told ]; do :; done; exit' TERM
    CALM
    while :; do sleep 0.02; done
) &
";
    let subject = parent_of(&parent.replace("CALM", CALM), "park");
    let daemon = subject.start();
    wait_until("a trap", || subject.path("listening").exists());
    let mut stop = subject.action("stop").spawn().unwrap();
    wait_until("a signal", || !subject.text("told").is_empty());
    let shells = || {
        let all = subject.offspring(daemon).into_iter();
        all.filter(|process| process.command_line().first().is_some_and(|it| it == "sh")).collect::<Vec<_>>()
    };
    wait_until("an orphan", || matches!(shells()[..], [one] if one.parent() == Some(daemon)));
    let looks = || daemon.status("voluntary_ctxt_switches").parse::<u32>().expect("a number");
    let before = looks();
    wait_until("two more looks of the supervisor", || looks() >= before + 2);
    fs::write(subject.path("enough"), "").unwrap();
    assert!(stop.wait().unwrap().success());
    assert_eq!(subject.text("told"), "told\n");
    assert_eq!(subject.everything(), []);
}

#[test]
fn they_get_the_stop_signal_of_the_daemon() {
    let subject = parent_of(&POLITE.replace("TERM", "USR1"), "park").key("stop_signal", "SIGUSR1");
    let daemon = subject.start();
    await_polite(&subject, daemon);
    stop_leaves_nothing(&subject, daemon, "stopped");
    assert_eq!(subject.text("told"), "told\n");
}

#[test]
fn they_end_with_the_body_that_ends_by_itself() {
    // Long enough for a loaded machine to see the daemon wait for them.
    const LONG: &str = "5000";
    for (end, code, timeout) in [("code 0", 0, LONG), ("code 3", 3, "300"), ("panic no", 101, "300")] {
        let subject = parent_of("", "");
        let go = subject.path("go");
        let processes = FAMILY.repeat(5) + POLITE + STUBBORN;
        let subject = subject
            .key("stop_timeout", timeout)
            .started_by(&processes, &format!("until {}; {end}", go.display()));
        let daemon = subject.start();
        await_family(&subject, daemon, 19);
        wait_until("a trap", || subject.path("listening").exists());
        fs::write(go, "").unwrap();
        if timeout == LONG {
            wait_until("the end of the body", || subject.processes() == [daemon]);
            // The daemon is there as long as something of it is.
            subject.act("status").runs(daemon);
        }
        daemon.wait_until_gone();
        assert_eq!(subject.everything(), [], "{end}");
        assert_eq!(subject.text("told"), "told\n", "{end}");
        assert_eq!(daemon.exit_code(), code);
    }
}

#[test]
fn they_end_before_the_next_life_begins() {
    // Each life looks for what the one before has left.
    const LIFE: &str = r#"
        for pid in $(cat $SUBJECT_FOLDER/pids); do
            ! grep -qs "$SUBJECT_FOLDER" /proc/$pid/environ || echo "$pid" >> $SUBJECT_FOLDER/left
        done
        (setsid sleep 1000 & echo $! >> $SUBJECT_FOLDER/pids)
        (trap '' TERM; sleep 1000 & echo $! >> $SUBJECT_FOLDER/pids)
        sleep 1000 & echo $! >> $SUBJECT_FOLDER/pids
        echo life >> $SUBJECT_FOLDER/lives
    "#;
    for respawn in ["always", "on-failure"] {
        let subject =
            parent_of("", "").key("respawn", respawn).key("respawn_delay", "1").key("stop_timeout", "200");
        let lives = subject.path("lives");
        fs::write(subject.path("pids"), "").unwrap();
        let subject = subject.started_by(LIFE, &format!("until {}; sleep 50; fail again", lives.display()));
        let daemon = subject.start();
        wait_until("four lives", || subject.text("lives").lines().count() >= 4);
        assert_eq!(subject.text("left"), "", "respawn = {respawn}");
        assert!(subject.offspring(daemon).len() <= 6, "more than one life's");
        assert_eq!(subject.act("stop").status.code(), Some(0));
        assert_eq!(subject.everything(), []);
        assert!(subject.text("pids").lines().count() >= 12);
    }
}

#[test]
fn by_default_they_survive() {
    // With and without a supervisor.
    for key in ["name", "respawn"] {
        let value = if key == "name" { "subject" } else { "always" };
        let subject = Subject::new().key(key, value).started_by(&(FAMILY.repeat(2) + POLITE), "park");
        let daemon = subject.start();
        await_family(&subject, daemon, 7);
        wait_until("a trap", || subject.path("listening").exists());
        let before = subject.offspring(daemon);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
        assert_eq!(subject.everything(), before, "{key} = {value}");
        assert_eq!(subject.text("told"), "");
    }
}

#[test]
fn the_dead_are_reaped() {
    for (key, value) in [("children", "end"), ("respawn", "always")] {
        let orphans = "(true &)\n(setsid sh -c 'exit 3' &)\n".repeat(50);
        let subject = Subject::new().key(key, value).started_by(&orphans, "reap; print up; park");
        let daemon = subject.start();
        subject.log_with("up");
        wait_until("no child but the body", || {
            let own = subject.processes();
            let body = own.iter().find(|process| **process != daemon).expect("a body");
            daemon.children().trim() == body.to_string()
        });
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn what_the_caller_of_run_had_started_before_is_not_touched() {
    // A child, and one that becomes an orphan while the daemon runs.
    const BEFORE: &str = r"
        (trap 'echo child >> $SUBJECT_FOLDER/told' TERM; while :; do sleep 0.02; done) >/dev/null 2>&1 &
        echo $! > $SUBJECT_FOLDER/child
        (
            (trap 'echo orphan >> $SUBJECT_FOLDER/told' TERM; : > $SUBJECT_FOLDER/prepared
             while :; do sleep 0.02; done) &
            echo $! > $SUBJECT_FOLDER/orphan
            until [ -e $SUBJECT_FOLDER/go ]; do sleep 0.02; done
        ) >/dev/null 2>&1 &
        until [ -e $SUBJECT_FOLDER/prepared ]; do sleep 0.02; done
    ";
    let subject = parent_of(&FAMILY.repeat(3), "print up; park").key("stop_timeout", "500");
    let run = subject.after(BEFORE.trim_end(), "run").spawn().unwrap();
    let daemon = Process(run.id().try_into().unwrap());
    wait_until("the pidfile", || subject.pid_text() == format!("{daemon}\n"));
    let process = |name| Process(subject.text(name).trim().parse().unwrap());
    let (child, orphan) = (process("child"), process("orphan"));
    wait_until("the family", || subject.path("started").exists());
    fs::write(subject.path("go"), "").unwrap();
    wait_until("an orphan", || orphan.parent() == Some(daemon));
    daemon.signal(Signal::SIGTERM);
    Answer::from(run);
    // The shells and the `sleep`s of their loops.
    let left = subject.everything();
    assert!([child, orphan].iter().all(|process| left.contains(process) && process.is_alive()), "{left:?}");
    let strangers = |process: &Process| {
        [child, orphan].contains(process) || process.parent().is_none_or(|it| [child, orphan].contains(&it))
    };
    assert!(left.iter().all(strangers), "{left:?}");
    assert_eq!(subject.text("told"), "");
}

/// A stranger gets the number of a body's grandchild, after the supervisor has looked at all processes and before it
/// sends its signal.
const RECYCLE: &str = r#"
"$0" start || exit
daemon=$(cat "$SUBJECT_PIDFILE")
until [ -e $SUBJECT_FOLDER/grandchild ]; do sleep 0.01; done
grandchild=$(cat $SUBJECT_FOLDER/grandchild)
trace=$SUBJECT_FOLDER/trace
strace -qq -o $trace -e trace=pidfd_open -e inject=pidfd_open:$MOMENT:when=1 -p $daemon &
strace=$!
until grep -q "TracerPid:.*[1-9]" /proc/$daemon/status; do sleep 0.01; done
"$0" stop >$SUBJECT_FOLDER/stopped &
until grep -qs "$SIGN" $trace; do sleep 0.01; done
kill -KILL $grandchild
while [ -e /proc/$grandchild ]; do sleep 0.01; done
until [ -e $SUBJECT_FOLDER/bereaved ]; do sleep 0.01; done
echo $((grandchild - 1)) > /proc/sys/kernel/ns_last_pid
sleep 1001 &
stranger=$!
[ $stranger = $grandchild ] && echo "recycled"
grep -q "^pidfd_open.*)" $trace && echo "after the look"
kill -CONT $daemon
until [ -s $SUBJECT_FOLDER/stopped ]; do sleep 0.01; done
kill -0 $stranger && echo "and lives"
kill $strace
"#;

/// Its child ends, and it has that reaped and lives on.
const BEREAVED: &str = r"
(
    trap '' TERM
    sleep 1000 &
    echo $! > $SUBJECT_FOLDER/new && mv $SUBJECT_FOLDER/new $SUBJECT_FOLDER/grandchild
    wait
    : > $SUBJECT_FOLDER/bereaved
    sleep 1000
) &
";

#[test]
fn a_stranger_that_has_got_the_number_of_a_dead_child_is_not_signalled() {
    let may_choose = ["sh", "-c", "echo 1 | unshare -p -f tee /proc/sys/kernel/ns_last_pid"];
    if !root_or_skip() || !strace_or_skip() || !tool_or_skip(&may_choose) {
        return;
    }
    for (moment, sign) in [("delay_enter=1500000", "pidfd_open("), ("signal=STOP", "stopped by SIGSTOP")] {
        let subject = parent_of(BEREAVED, "park").key("stop_timeout", "2500");
        let namespace = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", RECYCLE];
        let mut command: Command = subject.wrapped(&namespace, "recycle");
        command.env("MOMENT", moment).env("SIGN", sign);
        let answer = Answer::of(command);
        assert!(answer.stdout.contains("recycled\n"), "{moment}: {answer:?}");
        assert!(answer.stdout.ends_with("and lives\n"), "{moment}: {answer:?}");
        assert_eq!(
            answer.stdout.contains("after the look\n"),
            moment == "signal=STOP",
            "{moment}: {answer:?}"
        );
    }
}
