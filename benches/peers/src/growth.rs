//! Many daemons on one machine.

use std::fs;
use std::time::Instant;

use crate::contender::Contender;
use crate::life::{act, daemon};

/// What many daemons of one program cost.
pub struct Growth {
    pub count: usize,
    pub starts_per_second: f64,
    pub stops_per_second: f64,
    /// Of each, in kilobytes.
    pub private_dirty: f64,
    /// How many had no complete pidfile when `start` exited.
    pub not_ready: usize,
    /// How many were alive when `stop` exited.
    pub alive: usize,
}

/// Starts this many daemons one after the other, and stops them all.
#[allow(clippy::cast_precision_loss, reason = "counts of at most a few thousand")]
pub fn measure(contender: &Contender, count: usize) -> Growth {
    let each: Vec<Contender> = (0..count)
        .map(|at| {
            let directory = contender.directory.join(format!("many-{at}"));
            fs::create_dir_all(&directory).expect("a directory");
            contender.within(&directory)
        })
        .collect();
    let (mut not_ready, mut alive) = (0, 0);
    let begin = Instant::now();
    for one in &each {
        act(one, "start");
        not_ready += usize::from(daemon(one).is_none());
    }
    let starting = begin.elapsed().as_secs_f64();
    let daemons: Vec<_> = each.iter().filter_map(daemon).collect();
    let memory: u64 = daemons.iter().map(|daemon| daemon.private_dirty()).sum();
    let begin = Instant::now();
    for (one, daemon) in each.iter().zip(&daemons) {
        act(one, "stop");
        alive += usize::from(daemon.is_alive());
    }
    let stopping = begin.elapsed().as_secs_f64();
    for one in daemons {
        one.await_end();
    }
    for one in &each {
        let _ = fs::remove_dir_all(&one.directory);
    }
    let count_f = count as f64;
    Growth {
        count,
        starts_per_second: count_f / starting,
        stops_per_second: count_f / stopping,
        private_dirty: memory as f64 / count_f,
        not_ready,
        alive,
    }
}
