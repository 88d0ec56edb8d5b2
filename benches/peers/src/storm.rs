//! Many actions on one daemon at once.

use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::contender::Contender;
use crate::life::daemon;
use crate::process::Process;

/// Returns how many rounds were bad. A hundred starts at once: one daemon, and one success, or the round is bad.
pub fn of_starts(contender: &Contender, rounds: usize) -> usize {
    repeat(rounds, || {
        let before = processes_of(contender);
        assert_eq!(before, [], "{} is running already", contender.name);
        let children: Vec<Child> =
            (0..100).map(|_| contender.command("start").spawn().expect("the program")).collect();
        let successes = children.into_iter().map(end).filter(|success| *success).count();
        let processes = settle(contender);
        let daemons = daemons_of(&processes);
        let is_good = daemons.len() == 1 && successes == 1 && daemon(contender) == daemons.first().copied();
        clear(contender, &processes);
        is_good
    })
}

/// Returns how many rounds were bad. Fifty starts and fifty stops at once: at most one daemon, which the pidfile names, or the round is bad.
pub fn of_both(contender: &Contender, rounds: usize) -> usize {
    repeat(rounds, || {
        let actions = ["start", "stop"].into_iter().cycle().take(100);
        let children: Vec<Child> =
            actions.map(|action| contender.command(action).spawn().expect("the program")).collect();
        for child in children {
            end(child);
        }
        let processes = settle(contender);
        let daemons = daemons_of(&processes);
        let is_good = daemons.len() <= 1 && daemon(contender) == daemons.first().copied();
        clear(contender, &processes);
        is_good
    })
}

fn repeat(rounds: usize, mut is_good: impl FnMut() -> bool) -> usize {
    (0..rounds).filter(|_| !is_good()).count()
}

fn end(mut child: Child) -> bool {
    child.wait().is_ok_and(|status| status.success())
}

/// Returns the processes, once their number no longer changes.
fn settle(contender: &Contender) -> Vec<Process> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut seen = processes_of(contender);
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let now = processes_of(contender);
        if now == seen || Instant::now() > deadline {
            return now;
        }
        seen = now;
    }
}

/// Returns the processes that have this contender's directory in their command line.
fn processes_of(contender: &Contender) -> Vec<Process> {
    let directory = contender.directory.as_os_str().as_encoded_bytes();
    let all = std::fs::read_dir("/proc").expect("/proc");
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Process));
    pids.filter(|process| {
        let line = std::fs::read(format!("/proc/{}/cmdline", process.0)).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == directory) && process.is_alive()
    })
    .collect()
}

/// Returns the processes that are not below another one, as the body of a supervised daemon is.
fn daemons_of(processes: &[Process]) -> Vec<Process> {
    let is_below = |process: &Process| process.parent().is_some_and(|parent| processes.contains(&parent));
    processes.iter().copied().filter(|process| !is_below(process)).collect()
}

fn clear(contender: &Contender, processes: &[Process]) {
    for process in processes {
        let _ = kill(Pid::from_raw(process.0), Signal::SIGKILL);
    }
    for process in processes {
        process.await_end();
    }
    let _ = std::fs::remove_file(contender.pidfile());
}
