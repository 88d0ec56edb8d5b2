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
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.0)) else { return false };
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
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

    /// Its processes below, as a supervised daemon has one.
    fn children(self) -> Vec<Self> {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok().map(Process)).collect()
    }

    /// The kilobytes that it has to itself, together with its children.
    pub fn private_dirty(self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).unwrap_or_default();
        let own = text
            .lines()
            .find_map(|line| line.strip_prefix("Private_Dirty:")?.split_whitespace().next()?.parse().ok());
        own.unwrap_or(0) + self.children().into_iter().map(Self::private_dirty).sum::<u64>()
    }

    /// The processor time that it has had, in seconds.
    pub fn work(self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0)).unwrap_or_default();
        let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
        nanos.unwrap_or(0.0) / 1e9
    }

    /// How many descriptors are open.
    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// How many threads it has.
    pub fn threads(self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.0)).map_or(0, Iterator::count)
    }

    /// How often it has given up or lost the processor, together with its children.
    pub fn switches(self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let count = |line: &str| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok();
        text.lines().filter_map(count).sum::<u64>()
            + self.children().into_iter().map(Self::switches).sum::<u64>()
    }
}
