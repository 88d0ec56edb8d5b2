//! The due times of a daemon that runs once a period.

use std::time::Duration;

use crate::life::context::Context;
use crate::life::last_success::LastSuccess;
use crate::life::occasion::Interruption;
use crate::life::woken::{REMARKABLE, RunEnd, Woken};
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

/// The due times of a daemon that runs once a period, as times of its clock.
pub(crate) struct PeriodTimes {
    period: Period,
    missed: Missed,
    /// When the next run is due, or when the one that runs was due. `None` if the clock cannot reach it.
    due: Option<Duration>,
}

impl PeriodTimes {
    /// Begins to count at this moment, or after the last success. If a run was due since then, this also returns how
    /// long ago.
    pub(crate) fn begin(
        period: Period,
        missed: Missed,
        last: Option<LastSuccess>,
    ) -> (Self, Option<Duration>) {
        let times = Self { period, missed, due: None };
        let Some(last) = last else {
            return (Self { due: times.now().checked_add(period.delay), ..times }, None);
        };
        let wall = clock::since_1970();
        let (due, behind) = times.after(last, wall);
        let due = due.and_then(|due| times.now().checked_add(due.saturating_sub(wall)));
        (Self { due, ..times }, behind)
    }

    /// Returns when the next run is due, in times since 1970, and how long ago one was due since the last success. The
    /// phase stays.
    fn after(&self, last: LastSuccess, now: Duration) -> (Option<Duration>, Option<Duration>) {
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

    /// Returns when the last run was due, in time since 1970. If that run was not one that was due, `due` is the time of
    /// the next one.
    pub(crate) fn last_due(&self, was_due: bool, wall: Duration) -> Option<Duration> {
        let (due, now) = (self.due?, self.now());
        let due = match due.checked_sub(now) {
            Some(ahead) => wall.checked_add(ahead)?,
            None => wall.checked_sub(now.saturating_sub(due))?,
        };
        if was_due { Some(due) } else { due.checked_sub(self.period.length) }
    }

    /// Reads the clock that the period is measured by.
    fn now(&self) -> Duration {
        match self.period.clock {
            Clock::Monotonic => clock::now(),
            Clock::Boot => clock::since_boot().unwrap_or_else(clock::now),
        }
    }

    /// Waits until the next run is due.
    pub(crate) fn wait(
        &mut self,
        context: &Context,
        wanted: &dyn Fn() -> Option<Interruption>,
    ) -> Result<Woken, Interruption> {
        let has_time = self.due.is_none_or(|due| due > self.now());
        if has_time {
            let interruption = match (self.period.clock, self.due) {
                (Clock::Boot, Some(due)) => self.wait_for_timer(context, due, wanted),
                _ => context.sleep(self.due, wanted),
            };
            interruption.map_or(Ok(()), Err)?;
        }
        Ok(self.woke(self.now(), has_time))
    }

    fn wait_for_timer(
        &self,
        context: &Context,
        due: Duration,
        wanted: &dyn Fn() -> Option<Interruption>,
    ) -> Option<Interruption> {
        while let Some(left) = due.checked_sub(self.now()).filter(|left| !left.is_zero()) {
            if let Some(interruption) = context.sleep_for_clock(due, left, wanted) {
                return Some(interruption);
            }
        }
        None
    }

    /// Returns how late a run is. With [`Missed::Skip`], it takes the place of all that are due by now.
    fn woke(&mut self, now: Duration, has_time: bool) -> Woken {
        let late = self.due.map_or(Duration::ZERO, |due| now.saturating_sub(due));
        let is_remarkable = has_time && (late >= self.period.length || late >= REMARKABLE);
        let skipped =
            if has_time && self.missed == Missed::Skip { periods(late, self.period.length) } else { 0 };
        self.due = self
            .due
            .and_then(|due| due.checked_add(late.checked_sub(rest(late, self.period.length))?))
            .filter(|_| skipped > 0)
            .or(self.due);
        Woken { late, skipped, is_remarkable }
    }

    /// Computes when the next run is due, because the last one has ended.
    pub(crate) fn run_ended(&mut self, jitter: Duration) -> RunEnd {
        let end = self.now();
        let behind = self.due.map_or(Duration::ZERO, |due| end.saturating_sub(due));
        let skipped = self.due.map_or(0, |due| self.skipped(due, end.saturating_sub(jitter)));
        self.due = self.due.and_then(|due| self.next(due, end, jitter));
        let late = self.due.map_or(Duration::ZERO, |due| end.saturating_sub(due));
        RunEnd { skipped, behind, late }
    }

    /// Returns how many runs are skipped, given the time at which the last one was due and the time now.
    fn skipped(&self, due: Duration, now: Duration) -> u64 {
        let every = self.period.length;
        if self.missed != Missed::Skip || due.checked_add(every).is_none_or(|on_time| on_time >= now) {
            return 0;
        }
        periods(now.saturating_sub(due), every)
    }

    /// Returns the time of the next run, given the time at which the last one was due and the time now. Returns `None`
    /// if the clock cannot reach it. A run that is late by no more than its jitter may be is not missed.
    fn next(&self, due: Duration, now: Duration, jitter: Duration) -> Option<Duration> {
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
}

/// Returns how many whole periods a time has.
fn periods(time: Duration, period: Duration) -> u64 {
    u64::try_from(time.as_nanos() / period.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns what is left of a time after its whole periods.
fn rest(time: Duration, period: Duration) -> Duration {
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

    fn times(missed: Missed, length: Duration) -> PeriodTimes {
        let period = Period { length, delay: Duration::ZERO, clock: Clock::Monotonic };
        PeriodTimes { period, missed, due: None }
    }

    fn next_with(missed: Missed, due: u64, now: u64, jitter: u64) -> u64 {
        let next = times(missed, millis(100)).next(millis(due), millis(now), millis(jitter)).unwrap();
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
        let skipped = |now: u64| times(Missed::Skip, millis(100)).skipped(millis(1_000), millis(now - 50));
        assert_eq!([1_140, 1_160].map(skipped), [0, 1]);
    }

    #[test]
    fn the_skipped_runs_are_counted() {
        let skipped = |missed, now| times(missed, millis(100)).skipped(Duration::from_secs(1), millis(now));
        assert_eq!(
            [1_030, 1_100, 1_101, 1_199, 1_330].map(|now| skipped(Missed::Skip, now)),
            [0, 0, 1, 1, 3]
        );
        assert_eq!([Missed::Burst, Missed::Delay].map(|missed| skipped(missed, 1_330)), [0, 0]);
    }

    #[test]
    fn a_daemon_that_wakes_late_runs_once_or_makes_up_for_each_run() {
        let woke = |missed, late: u64, has_time| {
            let mut times = PeriodTimes { due: Some(millis(1_000)), ..times(missed, millis(100)) };
            let woken = times.woke(millis(1_000 + late), has_time);
            assert_eq!(woken.late, millis(late));
            (woken.skipped, woken.is_remarkable, times.due.unwrap().as_millis())
        };
        assert_eq!(woke(Missed::Skip, 20, true), (0, false, 1_000));
        assert_eq!(woke(Missed::Skip, 350, true), (3, true, 1_300));
        assert_eq!(woke(Missed::Delay, 350, true), (0, true, 1_000));
        assert_eq!(woke(Missed::Burst, 350, true), (0, true, 1_000));
        // It is late because of the runs before.
        assert_eq!(woke(Missed::Burst, 350, false), (0, false, 1_000));
        // A long period.
        let mut times =
            PeriodTimes { due: Some(millis(0)), ..times(Missed::Skip, Duration::from_secs(3_600)) };
        assert!(!times.woke(Duration::from_secs(9), true).is_remarkable);
        assert!(times.woke(Duration::from_secs(10), true).is_remarkable);
    }

    #[test]
    fn the_first_run_after_a_success_keeps_the_phase() {
        let after = |missed, due, ended, now| {
            let last = LastSuccess { due: millis(due), ended: millis(ended) };
            let (due, behind) = times(missed, millis(100)).after(last, millis(now));
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
    fn the_clocks_end_is_no_deadline() {
        let times = times(Missed::Skip, Duration::MAX);
        assert_eq!(times.next(Duration::from_secs(1), Duration::from_secs(2), Duration::ZERO), None);
    }
}
