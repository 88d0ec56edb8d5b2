//! What a daemon costs while it does nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::life::{act, daemon};

/// What an idle daemon has.
pub struct Idle {
    /// In kilobytes, with the processes below it.
    pub private_dirty: u64,
    pub descriptors: usize,
    pub threads: usize,
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

/// Starts a daemon, watches it, and stops it.
pub fn measure(contender: &Contender, watch: Duration) -> Idle {
    act(contender, "start");
    let begin = Instant::now();
    let daemon = loop {
        if let Some(daemon) = daemon(contender) {
            break daemon;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{} does not start", contender.name);
    };
    // It is idle once it has slept through a tenth of a second.
    let mut seen = daemon.switches();
    loop {
        sleep(Duration::from_millis(100));
        let now = daemon.switches();
        if now == seen || begin.elapsed() > Duration::from_secs(5) {
            break;
        }
        seen = now;
    }
    let before = daemon.switches();
    sleep(watch);
    let idle = Idle {
        private_dirty: daemon.private_dirty(),
        descriptors: daemon.descriptors(),
        threads: daemon.threads(),
        switches: daemon.switches() - before,
    };
    act(contender, "stop");
    daemon.await_end();
    idle
}
