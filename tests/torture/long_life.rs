//! Long lives: a thousand runs a second without drift or growth, and thousands of starts and stops
//! that leave nothing. With `DAEMONIC_TORTURE=long` they take minutes instead of seconds.

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::record::{Recorder, recorded};
use common::torture::attempt;
use common::{Answer, Conversation, Process, Subject, available_or_skip, is_long, wait_until};
use nix::sys::signal::Signal;

const PERIOD: i128 = 1_000_000;

/// Returns a small number by default and a large one with `DAEMONIC_TORTURE=long`.
fn rounds(quick: usize, long: usize) -> usize {
    if is_long() { long } else { quick }
}

/// Waits until a condition holds, and fails after some minutes.
#[track_caller]
fn wait_long(what: &str, mut condition: impl FnMut() -> bool) {
    let mut patience = rounds(10, 200);
    while patience > 1 && !condition() {
        patience -= 1;
        let mut glances = 0;
        wait_until(what, || {
            glances += 1;
            glances > 2_000 || condition()
        });
    }
    wait_until(what, condition);
}

/// The private memory of a process, in kB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    anonymous: i64,
    private_dirty: i64,
}

impl Memory {
    /// Counts the pages of a process. `/proc/PID/status` only estimates them.
    fn of(process: Process) -> Self {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("a process");
        let kilobytes = |field: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
            line.trim().trim_end_matches(" kB").parse().expect("kB")
        };
        Self { anonymous: kilobytes("Anonymous:"), private_dirty: kilobytes("Private_Dirty:") }
    }

    /// Fails if there is more memory than before. The allocator may keep up to 128 kB at the top of
    /// the heap, says mallopt(3), here after the rare listings of 32 kB each.
    ///
    /// Private dirty pages are printed only. They include those of the program's file until the
    /// system has written that to the disk.
    #[track_caller]
    fn has_not_grown_since(self, before: Self, what: &str) {
        common::torture::say(format_args!("{what}: before {before:?}, after {self:?}"));
        let grown = self.anonymous - before.anonymous;
        assert!(grown <= 160, "{what} has grown by {grown} kB");
    }
}

/// Returns the moments at which the runs began, in nanoseconds.
fn stamps(subject: &Subject) -> Vec<i128> {
    let text = subject.log_text();
    text.lines().map(|line| line.parse().expect("a stamp")).collect()
}

/// Returns how late the most punctual of some runs was, on a grid that begins with the very first
/// run.
fn least_lateness(stamps: &[i128], first: usize, count: usize) -> i128 {
    let late = |number: usize| stamps[number] - stamps[0] - PERIOD * i128::try_from(number).unwrap();
    (first..first + count).map(late).min().expect("some runs")
}

#[test]
fn a_thousand_runs_a_second_do_not_drift() {
    let count = rounds(5_000, 120_000);
    // Missed runs are made up for, so the n-th run is due n periods after the first.
    let subject = Subject::new().every(1, "stamp").key("missed", "burst").key("times", count.to_string());
    let daemon = subject.start();
    wait_long("all runs", || !daemon.is_alive());
    assert_eq!(daemon.exit_code(), 0);
    let stamps = stamps(&subject);
    assert_eq!(stamps.len(), count);
    let sample = count / 5;
    let (first, last) = (least_lateness(&stamps, 0, sample), least_lateness(&stamps, count - sample, sample));
    let drift = last - first;
    common::torture::say(format_args!("{count} runs of 1 ms: drift {drift} ns"));
    // With a pause between two runs each run would drift by some 60 µs, together by far more than a
    // period.
    assert!(drift.abs() < PERIOD / 2, "it has drifted by {drift} ns");
    let earliest = least_lateness(&stamps, 0, count);
    assert!(earliest > -PERIOD / 2, "a run was {} ns early", -earliest);
    subject.left_nothing();
}

#[test]
fn skipped_runs_leave_the_grid_where_it_is() {
    let count = rounds(4_000, 120_000);
    let subject = Subject::new().every(1, "stamp").key("times", count.to_string());
    let daemon = subject.start();
    wait_long("all runs", || !daemon.is_alive());
    assert_eq!(daemon.exit_code(), 0);
    let stamps = stamps(&subject);
    let pairs = stamps.windows(2);
    assert!(pairs.clone().all(|pair| pair[0] < pair[1]));
    // Where in its period each run began, as on a clock's face. On a fixed grid most are close
    // together, just after the tick. On a moving grid they are everywhere, and a quarter of them
    // takes a quarter of the face.
    let mut phases: Vec<_> = stamps.iter().map(|stamp| (stamp - stamps[0]).rem_euclid(PERIOD)).collect();
    phases.sort_unstable();
    let quarter = count / 4;
    phases.extend_from_within(..quarter);
    phases[count..].iter_mut().for_each(|phase| *phase += PERIOD);
    let arc = phases.windows(quarter).map(|arc| arc[quarter - 1] - arc[0]).min().expect("an arc");
    common::torture::say(format_args!("{count} runs of 1 ms with skips: a quarter of them within {arc} ns"));
    assert!(arc < PERIOD / 8, "a quarter of the runs is spread over {arc} ns");
    subject.left_nothing();
}

/// Runs a daemon at 1 kHz, with a few reloads and questions, and fails if its memory or descriptors
/// grow.
#[track_caller]
fn does_not_grow(what: &str, subject: &Subject) {
    // Enough runs for what is allocated once: buffers, and the pages of the stack.
    let warm = 3_000;
    let count = rounds(4_000, 120_000);
    let mut start = subject.action("start");
    // The symbols for a backtrace take many megabytes.
    start.env("RUST_BACKTRACE", "0");
    let daemon = Answer::of(start).started();
    let runs = || fs::metadata(subject.path("count")).map_or(0, |file| usize::try_from(file.len()).unwrap());
    wait_long("the first runs", || runs() > warm);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("status").runs(daemon);
    let (memory, descriptors) = (Memory::of(daemon), daemon.descriptors());
    for part in 1..=10 {
        wait_long("the runs", || runs() > warm + count * part / 10);
        subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        subject.act("status").runs(daemon);
        // A log on a tmpfs would take memory too.
        fs::File::create(subject.log()).unwrap();
    }
    assert_eq!(daemon.status("Threads"), "1", "{what}");
    wait_until("the last reload", || daemon.descriptors() == descriptors);
    Memory::of(daemon).has_not_grown_since(memory, &format!("{what}, {count} runs"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0, "{what}");
    subject.left_nothing();
}

/// Returns a daemon at 1 kHz that writes a byte to a file in each run, and takes one more step.
fn busy(step: &str) -> Subject {
    let subject = Subject::new();
    let count = subject.path("count");
    subject.key("open", count).every(1, format!("tally; {step}")).key("on_error", "continue")
}

#[test]
fn a_repeating_daemon_does_not_grow() {
    does_not_grow("a body that prints", &busy("print tick"));
}

#[test]
fn a_repeating_daemon_with_a_context_does_not_grow() {
    does_not_grow("a body with a Context", &busy("print tick").key("context", ""));
}

#[test]
fn a_repeating_daemon_whose_runs_fail_does_not_grow() {
    does_not_grow("a body that fails", &busy("fail at something that takes some words to say"));
}

#[test]
fn a_repeating_daemon_whose_runs_panic_does_not_grow() {
    does_not_grow("a body that panics", &busy("panic about something that takes some words to say"));
}

/// A way to start and to end a daemon.
#[derive(Debug, Clone, Copy)]
enum Cycle {
    Stop,
    Restart,
    /// Killed, and started over the stale pidfile.
    Kill,
    /// Ended by a signal that no `stop` sends.
    Term,
    /// The same, after its pidfile was removed.
    Unlink,
}

/// Runs a cycle with the same launcher, and leaves no daemon.
#[track_caller]
fn cycle(subject: &Subject, launcher: &mut Conversation, way: Cycle) {
    let mut begin = |word: &str| {
        let answer = launcher.say(word);
        let (_, rest) = answer.split_once("pid: ").unwrap_or_else(|| panic!("{word}: {answer}"));
        let digits = rest.split_once(' ').map_or(rest, |(digits, _)| digits);
        let daemon = Process(digits.trim_end_matches(',').parse().expect("a pid"));
        assert_eq!(subject.pid_text(), format!("{daemon}\n"), "{way:?}");
        daemon
    };
    let ends_by = |daemon: Process, signal| {
        daemon.signal(signal);
        assert_eq!(daemon.killer(), signal, "{way:?}");
    };
    let first = begin("start");
    let running = match way {
        Cycle::Stop => Some(first),
        Cycle::Restart => {
            let second = begin("restart");
            assert_eq!(first.killer(), Signal::SIGTERM);
            Some(second)
        }
        Cycle::Kill => {
            ends_by(first, Signal::SIGKILL);
            Some(begin("start"))
        }
        Cycle::Term => {
            ends_by(first, Signal::SIGTERM);
            None
        }
        Cycle::Unlink => {
            fs::remove_file(subject.pidfile()).unwrap();
            ends_by(first, Signal::SIGTERM);
            None
        }
    };
    match running {
        Some(daemon) => {
            let answer = launcher.say("stop");
            assert!(answer.starts_with(&format!("Stopped {{ pid: {daemon} }}")), "{way:?}: {answer}");
            assert_eq!(daemon.killer(), Signal::SIGTERM, "{way:?}");
        }
        None => assert_eq!(launcher.say("status"), "NotRunning subject: not running", "{way:?}"),
    }
    assert!(!subject.pidfile().exists(), "{way:?}");
}

/// Returns a launcher of cycles, with what records it.
fn launcher(subject: &Subject) -> (Conversation, Option<Recorder>) {
    let (launcher, recorder) = (subject.converse(), Recorder::begin());
    if let Some(recorder) = &recorder {
        recorder.follow(launcher.process);
    }
    (launcher, recorder)
}

/// Returns the processes that a record shows: the launcher and the daemon, even if that is a zombie.
fn involved(subject: &Subject, launcher: Process) -> Vec<Process> {
    let named = subject.pid_text().trim().parse().ok().map(Process);
    let mut all = [vec![launcher], named.into_iter().collect(), subject.processes()].concat();
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn thousands_of_cycles_leave_nothing() {
    let subject = Subject::new().without("stdout");
    let count = rounds(100, 10_000);
    let (mut launcher, recorder) = launcher(&subject);
    let cycle = |launcher: &mut Conversation, way| {
        let process = launcher.process;
        recorded(recorder.as_ref(), || involved(&subject, process), || cycle(&subject, launcher, way));
    };
    let others = [Cycle::Restart, Cycle::Kill, Cycle::Term, Cycle::Unlink];
    for way in others {
        cycle(&mut launcher, way);
    }
    let (memory, descriptors) = (Memory::of(launcher.process), launcher.process.descriptors());
    for number in 0..count {
        let way = if number % 5 == 0 { others[number / 5 % others.len()] } else { Cycle::Stop };
        cycle(&mut launcher, way);
    }
    assert_eq!(launcher.process.children(), "", "zombies are left");
    assert_eq!(launcher.process.descriptors(), descriptors);
    assert_eq!(subject.processes(), [launcher.process]);
    Memory::of(launcher.process).has_not_grown_since(memory, &format!("the launcher of {count} cycles"));
    launcher.end();
    subject.left_nothing();
    let left = fs::read_dir(subject.path(".")).unwrap().count();
    assert_eq!(left, 0, "files are left");
}

#[test]
fn a_wrong_answer_in_a_cycle_comes_with_a_record() {
    let subject = Subject::new().without("stdout");
    let (mut launcher, recorder) = launcher(&subject);
    if !available_or_skip("root and tracefs", recorder.is_some()) {
        return;
    }
    assert!(launcher.say("start").starts_with("Started"));
    let processes = involved(&subject, launcher.process);
    let daemon = *processes.iter().find(|process| **process != launcher.process).expect("a daemon");
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    let message = attempt(|| {
        recorded(
            recorder.as_ref(),
            || processes.clone(),
            || {
                let answer = launcher.say("stop");
                assert!(answer.starts_with("Stopped"), "Stop: {answer}");
            },
        );
    });
    let message = message.expect_err("a wrong answer");
    assert!(message.starts_with("Stop: NotRunning subject: not running\n---- /proc/locks\n"), "{message}");
    for part in ["\nState:\t", "\nSigCgt:", "sys_fcntl", "sys_unlink", &format!("-{daemon} ")] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    if is_long() {
        common::torture::say(message);
    }
}

#[test]
fn cycles_of_processes_of_their_own_leave_nothing() {
    let subject = Subject::new();
    let count = rounds(100, 2_000);
    for _ in 0..count {
        let daemon = subject.start();
        let inode = fs::metadata(subject.pidfile()).unwrap().ino();
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert_eq!(daemon.killer(), Signal::SIGTERM);
        // The kernel lists them as `1: POSIX ADVISORY WRITE 42 00:1f:7 0 1`.
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let is_ours =
            |line: &&str| line.contains(&format!(" {daemon} ")) && line.contains(&format!(":{inode} "));
        assert_eq!(locks.lines().find(is_ours), None);
        subject.left_nothing();
    }
    common::torture::say(format_args!("{count} cycles"));
}

#[test]
fn a_storm_of_questions_costs_a_daemon_nothing() {
    let subject = Subject::new().graceful("wait");
    let daemon = subject.start();
    let mut asker = subject.converse();
    let mut ask = |times| {
        for _ in 0..times {
            assert!(asker.say("status").starts_with(&format!("Running {{ pid: {daemon}, ")));
            assert!(asker.say("start").contains("already running"));
            assert!(asker.say("reload").starts_with("Reloaded"));
        }
        asker.process
    };
    let asker = ask(10);
    let askers = (Memory::of(asker), asker.descriptors());
    let daemons = (Memory::of(daemon), daemon.descriptors());
    let count = rounds(1_000, 50_000);
    ask(count);
    wait_until("the last reload", || daemon.descriptors() == daemons.1);
    assert_eq!(asker.descriptors(), askers.1);
    Memory::of(daemon).has_not_grown_since(daemons.0, &format!("the daemon of {count} questions"));
    Memory::of(asker).has_not_grown_since(askers.0, &format!("who asked {count} times"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn runs_in_the_foreground_one_after_the_other_leave_nothing() {
    let subject = Subject::new().body("print over");
    let mut caller = subject.converse();
    let mut run = || {
        caller.begin("run");
        assert_eq!(caller.hear(), "over");
        assert!(caller.hear().starts_with("Finished { code: 0 }"));
        assert!(!subject.pidfile().exists());
        caller.process
    };
    let process = run();
    let (memory, descriptors) = (Memory::of(process), process.descriptors());
    let count = rounds(500, 20_000);
    for _ in 0..count {
        run();
    }
    assert_eq!(process.descriptors(), descriptors);
    // The state of each run stays, since a handler may read it: some hundred bytes, as documented.
    let grown = Memory::of(process).anonymous - memory.anonymous;
    common::torture::say(format_args!("{count} runs in one process: grown by {grown} kB"));
    assert!(grown * 1024 < 16_384 + 1_000 * i64::try_from(count).unwrap());
}
