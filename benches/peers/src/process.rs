//! What the kernel says about a process.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub i32);

impl Process {
    /// Whether it runs; a zombie does not.
    pub fn is_alive(self) -> bool {
        self.stat().is_some_and(|words| !words.starts_with(['Z', 'X']))
    }

    /// Its parent, if it still exists.
    pub fn parent(self) -> Option<Self> {
        self.stat()?.split_whitespace().nth(1)?.parse().ok().map(Process)
    }

    /// What `/proc` has after the name: the state, the parent, and more.
    fn stat(self) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        stat.rsplit_once(") ").map(|(_, words)| words.to_owned())
    }

    /// Waits until it is gone. The reaper takes its exit status.
    ///
    /// A daemon of libslack's that has just started may lose the signal of its `stop`, so the signal is sent again.
    pub fn await_end(self) {
        let begin = Instant::now();
        let mut patience = Duration::from_secs(2);
        while self.is_alive() {
            if begin.elapsed() > patience {
                assert!(patience < Duration::from_secs(20), "{self:?} does not end");
                let _ = kill(Pid::from_raw(self.0), Signal::SIGTERM);
                patience *= 2;
            }
            std::thread::yield_now();
        }
    }

    /// Adds up what it has and what the processes below it have, as a supervised daemon has one.
    fn sum(self, of_one: fn(Self) -> u64) -> u64 {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        let children = text.split_whitespace().filter_map(|pid| pid.parse().ok().map(Process));
        of_one(self) + children.map(|child| child.sum(of_one)).sum::<u64>()
    }

    /// The kilobytes that it has to itself, together with those below it.
    ///
    /// Each process counts its part of what it shares with another, so that two processes count it once. For a process
    /// alone, this is its private dirty memory.
    pub fn private_dirty(self) -> u64 {
        self.sum(|one| {
            let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", one.0)).unwrap_or_default();
            let kilobytes =
                |line: &str| line.strip_prefix("Pss_Dirty:")?.split_whitespace().next()?.parse::<u64>().ok();
            text.lines().find_map(kilobytes).unwrap_or_default()
        })
    }

    /// The processor time that it has had, in seconds.
    pub fn work(self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0)).unwrap_or_default();
        let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
        nanos.unwrap_or(0.0) / 1e9
    }

    /// How many processes it is, with those below it.
    pub fn processes(self) -> u64 {
        self.sum(|_| 1)
    }

    /// How many descriptors are open, with those of the processes below it.
    pub fn descriptors(self) -> u64 {
        self.sum(|one| entries(&format!("/proc/{}/fd", one.0)))
    }

    /// How many threads it has, with those of the processes below it.
    pub fn threads(self) -> u64 {
        self.sum(|one| entries(&format!("/proc/{}/task", one.0)))
    }

    /// How often it has given up or lost the processor, together with the processes below it.
    pub fn switches(self) -> u64 {
        self.sum(|one| {
            let text = fs::read_to_string(format!("/proc/{}/status", one.0)).unwrap_or_default();
            let count = |line: &str| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok();
            text.lines().filter_map(count).sum()
        })
    }
}

fn entries(directory: &str) -> u64 {
    fs::read_dir(directory).map_or(0, |entries| entries.count() as u64)
}
