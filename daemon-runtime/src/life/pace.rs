//! The arithmetic of a daemon that runs once a period.

use std::time::Duration;

use crate::life::last_success::LastSuccess;
use crate::sys::clock;
use crate::timing::{Clock, Period};

/// The effect of a run that takes longer than the period on the runs after it.
///
/// A run that begins late, because the machine or the daemon was suspended, has the same effect.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Missed};
/// use std::time::{Duration, Instant};
///
/// let (period, run) = (Duration::from_millis(10), Duration::from_millis(15));
/// let daemon = Daemon::new("missed-enum-example").every(period).times(2);
/// let begin = Instant::now();
/// daemon.missed(Missed::Skip).run(|| std::thread::sleep(run))?;
/// assert!(begin.elapsed() >= 2 * period + run); // the run after one period is skipped
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Missed {
    /// Skips the missed runs and continues at the next multiple of the period.
    #[default]
    Skip,
    /// Makes up for the missed runs, one immediately after the other.
    Burst,
    /// Pauses for a whole period between the end of one run and the start of the next.
    Delay,
}

/// A period, with the rule for missed runs. All moments are of the period's clock.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) period: Period,
    pub(crate) missed: Missed,
}

impl Pace {
    /// Reads the clock that the period is measured by.
    pub(crate) fn now(&self) -> Duration {
        match self.period.clock {
            Clock::Monotonic => clock::now(),
            Clock::Boot => clock::since_boot().unwrap_or_else(clock::now),
        }
    }

    /// Returns how many runs are skipped, given the time at which the last one was due and the time now.
    pub(crate) fn skipped(&self, due: Duration, now: Duration) -> u64 {
        let every = self.period.length;
        if self.missed != Missed::Skip || due.checked_add(every).is_none_or(|on_time| on_time >= now) {
            return 0;
        }
        periods(now.saturating_sub(due), every)
    }

    /// Returns the time of the next run, given the time at which the last one was due and the time now. Returns `None`
    /// if the clock cannot reach it. A run is missed only if it is later than its jitter alone can make it.
    pub(crate) fn next(&self, due: Duration, now: Duration, jitter: Duration) -> Option<Duration> {
        let every = self.period.length;
        let on_time = due.checked_add(every)?;
        let by = now.saturating_sub(jitter);
        match self.missed {
            Missed::Burst => Some(on_time),
            Missed::Delay => now.checked_add(every),
            Missed::Skip if on_time >= by => Some(on_time),
            Missed::Skip => by.checked_add(every)?.checked_sub(rest(by.saturating_sub(due), every)),
        }
    }

    /// Returns when the next run is due, and if one was due since the last success, how long ago. The phase stays. All
    /// times are since 1970.
    pub(crate) fn after(&self, last: LastSuccess, now: Duration) -> (Option<Duration>, Option<Duration>) {
        let next = |due, now| Self { missed: Missed::Skip, ..*self }.next(due, now, Duration::ZERO);
        let due = match self.missed {
            Missed::Delay => last.ended.checked_add(self.period.length),
            Missed::Skip | Missed::Burst => next(last.due, last.ended),
        };
        match due {
            Some(due) if due <= now => (next(due, now), Some(now.saturating_sub(due))),
            due => (due, None),
        }
    }

    /// Returns when the next run is due, as a time since 1970. `due` is its time on the period's clock, or if a run is
    /// in progress, the time at which that one was due; it is taken to end now. A run that is past its time but still
    /// waits, for its jitter or for the end of another run, is still the next. Async-signal-safe.
    pub(crate) fn next_since_1970(&self, due: Duration, is_in_progress: bool) -> Option<Duration> {
        let (now, wall) = (self.now(), clock::since_1970());
        let due = if is_in_progress { self.next(due, now, Duration::ZERO)? } else { due };
        match due.checked_sub(now) {
            Some(left) => wall.checked_add(left),
            None => wall.checked_sub(now.saturating_sub(due)),
        }
    }
}

/// Returns how many whole periods a time has.
pub(crate) fn periods(time: Duration, period: Duration) -> u64 {
    u64::try_from(time.as_nanos() / period.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns what is left of a time after its whole periods.
pub(crate) fn rest(time: Duration, period: Duration) -> Duration {
    from_nanos(time.as_nanos() % period.as_nanos())
}

/// Converts nanoseconds as `Duration::from_nanos` does, which takes only 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "a remainder of a Duration is one")]
fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pace(missed: Missed, length: Duration) -> Pace {
        Pace { period: Period { length, delay: Duration::ZERO, clock: Clock::Monotonic }, missed }
    }

    fn next_with(missed: Missed, due: u64, now: u64, jitter: u64) -> u64 {
        let next = pace(missed, millis(100)).next(millis(due), millis(now), millis(jitter)).unwrap();
        u64::try_from(next.as_millis()).unwrap()
    }

    fn next(missed: Missed, due: u64, now: u64) -> u64 {
        next_with(missed, due, now, 0)
    }

    #[test]
    fn a_short_run_leaves_the_deadlines_where_they_are() {
        assert_eq!(next(Missed::Skip, 1_000, 1_030), 1_100);
        assert_eq!(next(Missed::Burst, 1_000, 1_030), 1_100);
        assert_eq!(next(Missed::Delay, 1_000, 1_030), 1_130);
    }

    #[test]
    fn a_long_run_skips_bursts_or_delays() {
        assert_eq!(next(Missed::Skip, 1_000, 1_330), 1_400);
        assert_eq!(next(Missed::Burst, 1_000, 1_330), 1_100);
        assert_eq!(next(Missed::Delay, 1_000, 1_330), 1_430);
    }

    #[test]
    fn a_run_that_is_late_by_its_jitter_is_not_missed() {
        assert_eq!(next_with(Missed::Skip, 1_000, 1_140, 50), 1_100);
        assert_eq!(next_with(Missed::Skip, 1_000, 1_160, 50), 1_200);
        let skipped = |now: u64| pace(Missed::Skip, millis(100)).skipped(millis(1_000), millis(now - 50));
        assert_eq!([1_140, 1_160].map(skipped), [0, 1]);
    }

    #[test]
    fn the_skipped_runs_are_counted() {
        let skipped = |missed, now| pace(missed, millis(100)).skipped(Duration::from_secs(1), millis(now));
        assert_eq!(
            [1_030, 1_100, 1_101, 1_199, 1_330].map(|now| skipped(Missed::Skip, now)),
            [0, 0, 1, 1, 3]
        );
        assert_eq!([Missed::Burst, Missed::Delay].map(|missed| skipped(missed, 1_330)), [0, 0]);
    }

    #[test]
    fn the_clocks_end_is_no_deadline() {
        let pace = pace(Missed::Skip, Duration::MAX);
        assert_eq!(pace.next(Duration::from_secs(1), Duration::from_secs(2), Duration::ZERO), None);
    }

    #[test]
    fn the_first_run_after_a_success_keeps_the_phase() {
        let after = |missed, due, ended, now| {
            let last = LastSuccess { due: millis(due), ended: millis(ended) };
            let (due, behind) = pace(missed, millis(100)).after(last, millis(now));
            (due.unwrap().as_millis(), behind.map(|behind| behind.as_millis()))
        };
        assert_eq!(after(Missed::Skip, 1_000, 1_030, 1_060), (1_100, None));
        assert_eq!(after(Missed::Skip, 1_000, 1_130, 1_160), (1_200, None));
        assert_eq!(after(Missed::Skip, 1_000, 1_030, 1_100), (1_200, Some(0)));
        assert_eq!(after(Missed::Skip, 1_000, 1_030, 1_450), (1_500, Some(350)));
        assert_eq!(after(Missed::Burst, 1_000, 1_030, 1_450), (1_500, Some(350)));
        assert_eq!(after(Missed::Delay, 1_000, 1_030, 1_120), (1_130, None));
    }

    #[test]
    fn the_next_run_is_on_the_wall_clock() {
        let pace = pace(Missed::Skip, Duration::from_secs(1_000));
        let ahead = |due, is_in_progress| {
            let wall = clock::since_1970().as_secs_f64();
            pace.next_since_1970(due, is_in_progress).unwrap().as_secs_f64() - wall
        };
        let (now, past) = (pace.now(), pace.now().checked_sub(millis(3_000)).unwrap());
        assert!((ahead(now + millis(5_000), false) - 5.0).abs() < 1.0);
        assert!((ahead(past, true) - 997.0).abs() < 1.0);
        // It waits for its jitter.
        assert!((ahead(past, false) + 3.0).abs() < 1.0);
    }
}
