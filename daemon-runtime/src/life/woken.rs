//! The lateness of a run, with its effect on the runs after it.

use std::time::Duration;

/// What is known when a run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Woken {
    /// The time since the run was due.
    pub(crate) late: Duration,
    /// How many later runs it takes the place of.
    pub(crate) skipped: u64,
    /// Whether the daemon has waited for the run and yet is late, so that there must be a line about it.
    pub(crate) is_remarkable: bool,
}

/// What is known when a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunEnd {
    /// How many runs were due meanwhile, and are skipped.
    pub(crate) skipped: u64,
    /// The time since the run that has ended was due.
    pub(crate) behind: Duration,
    /// The time since the next run was due, if that is past.
    pub(crate) late: Duration,
}

/// The lateness that needs a reason: a daemon that waits for a run and yet is this late was not running meanwhile,
/// however long its period is.
pub(crate) const REMARKABLE: Duration = Duration::from_secs(10);
