//! The number of runs of a repeating daemon, with the time of the last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::command::report::Runs;

/// The runs since this process began, for a handler to read.
#[derive(Default)]
pub(crate) struct RunCounts {
    ended: AtomicU64,
    failed: AtomicU64,
    /// The milliseconds from 1970 to the begin of the last run. 0 if there was none.
    last: AtomicU64,
}

impl RunCounts {
    /// Notes that a run begins.
    pub(crate) fn begin(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last.store(u64::try_from(now.as_millis()).unwrap_or(0), Ordering::Release);
    }

    /// Notes that a run has ended.
    pub(crate) fn end(&self, has_failed: bool) {
        self.ended.fetch_add(1, Ordering::AcqRel);
        self.failed.fetch_add(has_failed.into(), Ordering::AcqRel);
    }

    /// Returns the counts. Async-signal-safe.
    pub(crate) fn get(&self) -> Runs {
        let last = Some(self.last.load(Ordering::Acquire)).filter(|last| *last > 0);
        Runs {
            ended: self.ended.load(Ordering::Acquire),
            failed: self.failed.load(Ordering::Acquire),
            last: last.map(Duration::from_millis),
        }
    }
}
