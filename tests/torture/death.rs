//! Death at any moment: a signal to the caller, the first child or the daemon, at each of their
//! calls and at random moments. Afterwards `status` is right, the next `start` works, and there is
//! at most one daemon.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::spin_loop;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use common::strace::are_of_look;
use common::torture::{Dice, each, say};
use common::way::{Before, Role, Shape, Underway, Way, are_one, goes_on, has_done_a_run, reap_daemons};
use common::{Answer, Process, Subject, is_long, root_or_skip, strace_or_skip, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SHAPES: [Shape; 4] = [Shape::Plain, Shape::Graceful, Shape::Waiting, Shape::Repeating];
const SIGNALS: [Signal; 3] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP];

/// A signal at a certain call of a certain process.
#[derive(Clone)]
struct Blow {
    way: Way,
    signal: Signal,
    name: String,
    when: usize,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way: Way { shape, action, before, role }, signal, name, when } = self;
        write!(f, "{shape:?} {action} over {before:?}, {role:?}: {signal} at {name} {when}")
    }
}

impl Blow {
    fn strike(&self) {
        let injection = format!("{}:signal={}:when={}", self.name, self.signal, self.when);
        let Underway { way, subject, old, runs, caller, target, strace } =
            self.way.begin(None, Some(&injection));
        let is_over = AtomicBool::new(false);
        let (answer, mut foreground) = scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if self.signal == Signal::SIGSTOP && strace.is_suspended() {
                        look_while_suspended(way, &subject);
                        resume(target);
                    }
                    sleep(Duration::from_millis(2));
                }
            });
            let result = common::torture::attempt(|| way.outcome(&subject, caller));
            is_over.store(true, Ordering::Relaxed);
            result.unwrap_or_else(|error| panic!("{error}"))
        });
        resume(target);
        drop(strace);
        resume(target);
        if let Some(answer) = &answer {
            tells_the_truth(way, &subject, answer, self.signal);
            if way.action == "once" && answer.status.success() {
                has_done_a_run(&subject, answer, runs);
            }
        }
        // Neither the death of a caller nor a pause harms a daemon.
        let lives = way.role == Role::Caller || self.signal == Signal::SIGSTOP;
        if let Some(old) = old.filter(|_| way.action == "once" && lives) {
            goes_on(&subject, old);
        }
        is_sound(way.shape, &subject);
        if let Some(child) = &mut foreground {
            let _ = child.wait();
        }
        reap_daemons();
    }
}

fn resume(process: Process) {
    let _ = kill(Pid::from_raw(process.0), Signal::SIGCONT);
}

/// Asks for the status, starts another daemon, as people do when something seems to hang, and stops
/// it. The pidfile then disappears while the other action hangs.
fn look_while_suspended(way: Way, subject: &Subject) {
    let status = subject.act("status");
    assert!(status.status.code().is_some_and(|code| [0, 1, 3].contains(&code)), "{status:?}");
    if way.action == "start" {
        let start = subject.act("start");
        assert!(start.status.code().is_some_and(|code| [0, 1].contains(&code)), "{start:?}");
        if start.status.success() {
            subject.act("stop").says(0, &format!("subject: stopped (pid {})", start.pid()));
        }
    }
}

/// Fails unless an action has done what it reports.
fn tells_the_truth(way: Way, subject: &Subject, answer: &Answer, signal: Signal) {
    let is_killed = matches!(way.role, Role::Daemon | Role::Body) && signal != Signal::SIGSTOP;
    match (way.action, answer.status.code()) {
        ("start" | "restart" | "ensure", Some(0)) if !is_killed => subject.act("status").runs(answer.pid()),
        ("start" | "restart" | "ensure", Some(code)) if code != 0 && signal != Signal::SIGSTOP => {
            assert!(answer.stderr.starts_with("subject: failed to start: "), "{answer:?}");
            subject.leaves_nothing();
        }
        ("stop", Some(0)) => assert_eq!(subject.processes(), [], "{answer:?}"),
        ("stop", Some(_)) => panic!("{answer:?}"),
        _ => {}
    }
}

/// Fails unless `status` is right, and the next `start` and `stop` work.
fn is_sound(shape: Shape, subject: &Subject) {
    let mut last = String::new();
    let agrees = common::torture::attempt(|| {
        wait_until("a status that is right", || {
            let (status, processes) = (subject.act("status"), subject.processes());
            last = format!("{status:?} of {processes:?}");
            match status.status.code() {
                Some(0) => are_one(shape, status.pid(), &processes),
                Some(1 | 3) => processes.is_empty(),
                _ => panic!("{status:?}"),
            }
        });
    });
    agrees.unwrap_or_else(|error| panic!("{error}: {last}"));
    // A process may still be about to end by its signal, or by the death of its launcher.
    let start = subject.act("start");
    match start.status.code() {
        Some(0) => subject.act("status").runs(start.started()),
        _ => start.fails_naming(1, &["subject: already running (pid "]),
    }
    let stop = subject.act("stop");
    assert_eq!(stop.status.code(), Some(0), "{stop:?}");
    wait_until("the end of all", || subject.processes().is_empty());
    let daemon = subject.start();
    subject.act("status").runs(daemon);
    let processes = subject.processes();
    assert!(are_one(shape, daemon, &processes), "{processes:?}");
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
    assert!(!subject.path("claim.overlap").exists(), "two bodies at a time");
}

#[test]
fn a_signal_at_any_call_does_no_lasting_harm() {
    strike_at_every_call("signals at every call", &SHAPES, 400);
}

#[test]
fn a_signal_at_any_call_of_a_supervised_daemon_does_no_lasting_harm() {
    strike_at_every_call("signals at every call of a supervised daemon", &[Shape::Supervised], 120);
}

#[test]
fn a_signal_at_any_call_of_once_does_no_lasting_harm() {
    strike_at_every_call("signals at every call of once", &[Shape::Called], 60);
}

/// Strikes at every call of every case, or without `DAEMONIC_TORTURE=long` at some of them.
fn strike_at_every_call(what: &str, shapes: &[Shape], some: usize) {
    if !strace_or_skip() || !root_or_skip() {
        return;
    }
    let mut dice = Dice::new(what);
    let ways: Vec<_> = shapes.iter().copied().flat_map(Way::all).collect();
    let recorded = each(&ways, 4, |way| {
        let mut done = way.perform(None, None);
        if let Some(child) = &mut done.foreground {
            child.kill().expect("a process to kill");
            child.wait().expect("a child");
        }
        let calls = done.trace.calls();
        let is_of_look = are_of_look(calls);
        calls
            .iter()
            .zip(is_of_look)
            .filter(|(_, skip)| !skip)
            .map(|(call, _)| call.clone())
            .collect::<Vec<_>>()
    });
    let mut blows = Vec::new();
    for (way, calls) in ways.iter().zip(recorded) {
        for call in calls.unwrap_or_else(|error| panic!("{way:?} cannot be recorded: {error}")) {
            // This call is pending when strace attaches, and comes at once.
            let signals = SIGNALS.iter().filter(|_| call.name != "restart_syscall");
            blows.extend(signals.map(|signal| Blow {
                way: *way,
                signal: *signal,
                name: call.name.clone(),
                when: call.when,
            }));
        }
    }
    let all = blows.len();
    dice.shuffle(&mut blows);
    if !is_long() {
        blows.truncate(some);
    }
    let results = each(&blows, 4, Blow::strike);
    let wrong: Vec<_> = blows
        .iter()
        .zip(&results)
        .filter_map(|(blow, result)| Some(format!("{blow}\n  {}", result.as_ref().err()?)))
        .collect();
    let mut counts = BTreeMap::new();
    for blow in &blows {
        *counts.entry((blow.signal.as_str(), format!("{:?}", blow.way.role))).or_insert(0) += 1;
    }
    say(format_args!(
        "{what}: {} of {all}, {} ended well: {counts:?}",
        blows.len(),
        blows.len() - wrong.len()
    ));
    assert!(wrong.is_empty(), "{} ended badly:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs an action, and sends signals to random processes meanwhile.
fn random_round(mut dice: Dice) {
    let shape = dice.pick(&SHAPES);
    let before = dice.pick(&[Before::Nothing, Before::StaleFile, Before::Daemon]);
    let action = dice.pick(&["start", "stop", "restart", "ensure", "reload", "status", "run", "once"]);
    let subject = shape.subject(None);
    before.prepare(&subject);
    let begun = Instant::now();
    let mut caller = subject.action(action).spawn().expect("the subject runs");
    let caller_process = Process(caller.id().try_into().expect("a pid"));
    let mut suspended = Vec::new();
    let mut moment = Duration::ZERO;
    for _ in 0..=dice.below(3) {
        moment += Duration::from_micros(dice.below(4000) as u64);
        while begun.elapsed() < moment {
            spin_loop();
        }
        let there = subject.processes();
        let victim = if there.is_empty() { caller_process } else { dice.pick(&there) };
        let signal = dice.pick(&SIGNALS);
        // The caller is not reaped yet, and no other process gets the PIDs of the others so
        // quickly.
        let _ = kill(Pid::from_raw(victim.0), signal);
        if signal == Signal::SIGSTOP {
            suspended.push(victim);
        }
    }
    if action == "run" {
        // It would stay suspended.
        resume_all(&subject, &suspended);
        let _ = kill(Pid::from_raw(caller_process.0), Signal::SIGTERM);
        wait_for_end(&subject, &mut caller, &suspended);
    } else {
        wait_for_end(&subject, &mut caller, &suspended);
    }
    is_sound(shape, &subject);
    reap_daemons();
}

/// Lets every process continue until the caller has ended.
fn wait_for_end(subject: &Subject, caller: &mut Child, suspended: &[Process]) {
    let begun = Instant::now();
    while caller.try_wait().expect("a child").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the caller hangs");
        resume_all(subject, suspended);
        sleep(Duration::from_millis(1));
    }
    resume_all(subject, suspended);
}

fn resume_all(subject: &Subject, suspended: &[Process]) {
    let there = subject.processes();
    suspended.iter().filter(|process| there.contains(process)).copied().for_each(resume);
}

#[test]
fn signals_at_random_moments_do_no_lasting_harm() {
    let dice = Dice::new("signals at random moments");
    let rounds: Vec<_> = (0..if is_long() { 5000 } else { 400 }).collect();
    let results = each(&rounds, 4, |round| random_round(dice.of_round(*round)));
    let wrong: Vec<_> = rounds
        .iter()
        .zip(&results)
        .filter_map(|(round, result)| Some(format!("round {round}: {}", result.as_ref().err()?)))
        .collect();
    say(format_args!("signals at random moments: {} rounds, {} ended badly", rounds.len(), wrong.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
