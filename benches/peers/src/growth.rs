//! Many daemons on one machine.

use std::fs;
use std::time::Instant;

use crate::contender::Contender;
use crate::life::{act, daemon};
use crate::process::Process;

/// What many daemons of one program cost.
pub struct Growth {
    pub count: usize,
    pub starts_per_second: f64,
    /// One after the other.
    pub stops_per_second: f64,
    /// By one command for all, if the program has one.
    pub stops_by_one: Option<f64>,
    /// Of each, in kilobytes.
    pub private_dirty: f64,
    /// How many had no complete pidfile when `start` exited.
    pub not_ready: usize,
    /// How many stops were asked for, in either way.
    pub stops: usize,
    /// How many of them had a daemon that was alive when the command exited.
    pub alive: usize,
}

/// Starts this many daemons one after the other, and stops them all: one after the other, and by one command.
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
    await_end(&daemons);
    let by_one = stop_by_one(contender, &each);
    for one in &each {
        let _ = fs::remove_dir_all(&one.directory);
    }
    let count_f = count as f64;
    Growth {
        count,
        starts_per_second: count_f / starting,
        stops_per_second: count_f / stopping,
        stops_by_one: by_one.map(|(seconds, _)| count_f / seconds),
        private_dirty: memory as f64 / count_f,
        not_ready,
        stops: count * if by_one.is_some() { 2 } else { 1 },
        alive: alive + by_one.map_or(0, |(_, alive)| alive),
    }
}

/// Starts the daemons once more, and stops them by one command, if the program has one. Returns the seconds, and how many
/// were alive at its exit.
fn stop_by_one(contender: &Contender, each: &[Contender]) -> Option<(f64, usize)> {
    let mut stop = contender.stop_of_all()?;
    for one in each {
        act(one, "start");
    }
    let daemons: Vec<_> = each.iter().filter_map(daemon).collect();
    assert_eq!(daemons.len(), each.len(), "{}: not all are ready", contender.name);
    let begin = Instant::now();
    let status = stop.status().expect("the program");
    let seconds = begin.elapsed().as_secs_f64();
    let alive = daemons.iter().filter(|daemon| daemon.is_alive()).count();
    assert!(status.success(), "{} --all stop: {status}", contender.name);
    await_end(&daemons);
    Some((seconds, alive))
}

fn await_end(daemons: &[Process]) {
    for daemon in daemons {
        daemon.await_end();
    }
}
