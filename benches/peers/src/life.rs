//! Start, status, restart, stop: how long each takes, and whether it has happened by then.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::contender::Contender;
use crate::process::Process;
use crate::shuffle::Shuffle;

/// What one program took in each round, in seconds.
#[derive(Default)]
pub struct Lives {
    pub start: Vec<f64>,
    /// From the start to a complete pidfile with a living process.
    pub ready: Vec<f64>,
    pub status: Vec<f64>,
    pub ensure: Vec<f64>,
    pub reload: Vec<f64>,
    pub restart: Vec<f64>,
    pub stop: Vec<f64>,
    /// The processor time of a start: that of the launcher, and of the daemon so far.
    pub start_work: Vec<f64>,
    /// The processor time of a stop, without that of the daemon.
    pub stop_work: Vec<f64>,
    pub not_ready: usize,
    pub alive: usize,
}

/// Leads every program through its life once a round, in an order that changes.
pub fn measure(contenders: &[Contender], rounds: usize, shuffle: &mut Shuffle) -> Vec<Lives> {
    let mut all: Vec<Lives> = contenders.iter().map(|_| Lives::default()).collect();
    for round in 0..=rounds {
        for at in shuffle.order(contenders.len()) {
            // The first round only fills the caches.
            let mut unused = Lives::default();
            live(&contenders[at], if round == 0 { &mut unused } else { &mut all[at] });
        }
    }
    all
}

fn live(contender: &Contender, lives: &mut Lives) {
    let _ = fs::remove_file(contender.pidfile());
    let work = work_of_children();
    let begin = Instant::now();
    lives.start.push(act(contender, "start"));
    let work = work_of_children() - work;
    let mut daemon = daemon(contender);
    lives.not_ready += usize::from(daemon.is_none());
    while daemon.is_none() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} does not start", contender.name);
        std::thread::yield_now();
        daemon = self::daemon(contender);
    }
    lives.ready.push(begin.elapsed().as_secs_f64());
    let work_at_start = daemon.map_or(0.0, Process::work);
    let Lives { status, ensure, reload, .. } = lives;
    for (action, times) in [("status", status), ("ensure", ensure), ("reload", reload)] {
        if contender.knows(action) {
            times.push(act(contender, action));
        }
    }
    let old = daemon.expect("a daemon");
    lives.start_work.push(work + work_at_start);
    let mut daemon = old;
    if contender.knows("restart") {
        lives.restart.push(act(contender, "restart"));
        old.await_end();
        let begin = Instant::now();
        daemon = loop {
            if let Some(new) = self::daemon(contender).filter(|new| *new != old) {
                break new;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "{} does not restart", contender.name);
        };
    }
    let work = work_of_children();
    lives.stop.push(act(contender, "stop"));
    lives.stop_work.push(work_of_children() - work);
    lives.alive += usize::from(daemon.is_alive());
    daemon.await_end();
}

/// Returns the processor time of all children that have ended, in seconds. The daemons are not among them.
#[allow(clippy::cast_precision_loss, reason = "microseconds of some minutes")]
fn work_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage");
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

/// Runs an action, and returns the seconds that it took.
pub fn act(contender: &Contender, action: &str) -> f64 {
    let mut command = contender.command(action);
    let begin = Instant::now();
    let status = command.status().expect("the program");
    let seconds = begin.elapsed().as_secs_f64();
    assert!(status.success(), "{} {action}: {status}", contender.name);
    seconds
}

/// Returns the daemon, if its pidfile is complete and the process lives.
pub fn daemon(contender: &Contender) -> Option<Process> {
    let text = fs::read_to_string(contender.pidfile()).ok()?;
    let daemon = Process(text.trim().parse().ok().filter(|pid| *pid > 1)?);
    daemon.is_alive().then_some(daemon)
}
