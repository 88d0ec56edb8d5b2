//! The record of a repeating daemon's runs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::command::report::Runs;
use crate::life::pace::Pace;

/// The bit of a due time that says that the run is in progress.
const IN_PROGRESS: u64 = 1;

/// The runs since this process began, for a handler to read.
#[derive(Default)]
pub(crate) struct RunRecord {
    ended: AtomicU64,
    failed: AtomicU64,
    /// The milliseconds from 1970 to the start of the last run. 0 if there was none.
    last: AtomicU64,
    /// The period. None with `cron`, whose times any process can compute.
    pace: OnceLock<Pace>,
    /// When the next run is due, or the one in progress was, in nanoseconds of the period's clock. 0 if there is none.
    /// The lowest bit says whether that run is in progress, so that a handler sees both at once.
    due: AtomicU64,
}

impl RunRecord {
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

    /// Notes when the next run is due, or if a run begins, when that one was due, as a time of the period's clock.
    pub(crate) fn set_due(&self, pace: Pace, due: Option<Duration>, begins: bool) {
        self.pace.get_or_init(|| pace);
        let nanos = due.and_then(|due| u64::try_from(due.as_nanos()).ok());
        let noted = nanos.map_or(0, |nanos| nanos & !IN_PROGRESS | u64::from(begins));
        self.due.store(noted, Ordering::Release);
    }

    /// Returns what is known of the runs. Async-signal-safe.
    pub(crate) fn get(&self) -> Runs {
        let last = Some(self.last.load(Ordering::Acquire)).filter(|last| *last > 0);
        Runs {
            ended: self.ended.load(Ordering::Acquire),
            failed: self.failed.load(Ordering::Acquire),
            last: last.map(Duration::from_millis),
            next: self.next(),
        }
    }

    fn next(&self) -> Option<Duration> {
        let noted = Some(self.due.load(Ordering::Acquire)).filter(|due| *due > 0)?;
        let due = Duration::from_nanos(noted & !IN_PROGRESS);
        self.pace.get()?.next_since_1970(due, noted & IN_PROGRESS != 0)
    }
}
