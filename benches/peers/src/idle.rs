//! What a daemon costs while it does nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::life::{act, daemon};
use crate::process::Process;

/// What an idle daemon has.
pub struct Idle {
    /// In kilobytes. This and all others are with the processes below it.
    pub private_dirty: u64,
    pub processes: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// Context switches while it was watched.
    pub switches: u64,
}

impl Idle {
    /// Returns the memory as a multiple of another daemon's.
    #[allow(clippy::cast_precision_loss, reason = "kilobytes")]
    pub fn memory_over(&self, other: &Self) -> f64 {
        self.private_dirty as f64 / other.private_dirty as f64
    }
}

/// Starts all daemons, watches them at the same time, and stops them.
pub fn measure(contenders: &[Contender], watch: Duration) -> Vec<Idle> {
    let daemons: Vec<Process> = contenders.iter().map(start).collect();
    for daemon in &daemons {
        await_idleness(*daemon);
    }
    let before: Vec<u64> = daemons.iter().map(|daemon| daemon.switches()).collect();
    sleep(watch);
    let look = |(daemon, before): (&Process, u64)| Idle {
        private_dirty: daemon.private_dirty(),
        processes: daemon.processes(),
        descriptors: daemon.descriptors(),
        threads: daemon.threads(),
        switches: daemon.switches() - before,
    };
    let idle = daemons.iter().zip(before).map(look).collect();
    for (contender, daemon) in contenders.iter().zip(daemons) {
        act(contender, "stop");
        daemon.await_end();
    }
    idle
}

fn start(contender: &Contender) -> Process {
    act(contender, "start");
    let begin = Instant::now();
    loop {
        if let Some(daemon) = daemon(contender) {
            return daemon;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{} does not start", contender.name);
    }
}

/// Waits until a daemon has slept through a tenth of a second.
fn await_idleness(daemon: Process) {
    let begin = Instant::now();
    let mut seen = daemon.switches();
    loop {
        sleep(Duration::from_millis(100));
        let now = daemon.switches();
        if now == seen || begin.elapsed() > Duration::from_secs(5) {
            break;
        }
        seen = now;
    }
}
