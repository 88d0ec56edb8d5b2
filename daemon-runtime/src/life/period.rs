//! The due times of a daemon that runs once a period.

use std::time::Duration;

use crate::life::context::Context;
use crate::life::last_success::LastSuccess;
use crate::life::occasion::Interruption;
use crate::life::pace::{Missed, Pace, periods, rest};
use crate::life::run_record::RunRecord;
use crate::life::woken::{REMARKABLE, RunEnd, Woken};
use crate::sys::clock;
use crate::timing::{Clock, Period};

/// The due times of a daemon that runs once a period, as times of its clock.
pub(crate) struct PeriodTimes {
    pace: Pace,
    /// When the next run is due, or when the run in progress was due. `None` if the clock cannot reach it.
    due: Option<Duration>,
    /// The moment at which these times began.
    began: Duration,
    /// How long before that moment the run was due for which a catch-up run makes up.
    behind: Duration,
}

impl PeriodTimes {
    /// Begins to count at this moment, or after the last success. If a run was due since then, this also returns how
    /// long ago.
    pub(crate) fn begin(
        period: Period,
        missed: Missed,
        last: Option<LastSuccess>,
    ) -> (Self, Option<Duration>) {
        let pace = Pace { period, missed };
        let began = pace.now();
        let Some(last) = last else {
            let due = began.checked_add(period.delay);
            return (Self { pace, due, began, behind: Duration::ZERO }, None);
        };
        let wall = clock::since_1970();
        let (due, behind) = pace.after(last, wall);
        let due = due.and_then(|due| pace.now().checked_add(due.saturating_sub(wall)));
        (Self { pace, due, began, behind: behind.unwrap_or_default() }, behind)
    }

    /// Returns when the last due run was due, as a time since 1970. If the last run was not a due one, the field `due`
    /// has the time of the next run.
    pub(crate) fn last_due(&self, was_due: bool, wall: Duration) -> Option<Duration> {
        let (due, now) = (self.due?, self.pace.now());
        let due = match due.checked_sub(now) {
            Some(ahead) => wall.checked_add(ahead)?,
            None => wall.checked_sub(now.saturating_sub(due))?,
        };
        if was_due { Some(due) } else { due.checked_sub(self.pace.period.length) }
    }

    /// Notes the due time, for a handler to read, and whether the run begins.
    pub(crate) fn note_in(&self, record: &RunRecord, begins: bool) {
        record.set_due(self.pace, self.due, begins);
    }

    /// Notes when the next run is due while there is a catch-up run, which may take the next run's place. So the
    /// catch-up run counts as a run in progress that was due a period before.
    pub(crate) fn note_catch_up_in(&self, record: &RunRecord) {
        match self.due.and_then(|due| due.checked_sub(self.pace.period.length)) {
            Some(before) => record.set_due(self.pace, Some(before), true),
            None => self.note_in(record, false),
        }
    }

    /// Waits until the next run is due.
    pub(crate) fn wait(
        &mut self,
        context: &Context,
        wanted: &dyn Fn() -> Option<Interruption>,
    ) -> Result<Woken, Interruption> {
        let has_time = self.due.is_none_or(|due| due > self.pace.now());
        if has_time {
            let interruption = match (self.pace.period.clock, self.due) {
                (Clock::Boot, Some(due)) => self.wait_for_timer(context, due, wanted),
                _ => context.sleep(self.due, wanted),
            };
            interruption.map_or(Ok(()), Err)?;
        }
        Ok(self.woke(self.pace.now(), has_time))
    }

    fn wait_for_timer(
        &self,
        context: &Context,
        due: Duration,
        wanted: &dyn Fn() -> Option<Interruption>,
    ) -> Option<Interruption> {
        while let Some(left) = due.checked_sub(self.pace.now()).filter(|left| !left.is_zero()) {
            if let Some(interruption) = context.sleep_for_clock(due, left, wanted) {
                return Some(interruption);
            }
        }
        None
    }

    /// Returns how late a run is. With [`Missed::Skip`], it takes the place of all that are due by now.
    fn woke(&mut self, now: Duration, has_time: bool) -> Woken {
        let late = self.late(now);
        let is_remarkable = has_time && (late >= self.pace.period.length || late >= REMARKABLE);
        let is_missed = has_time && self.pace.missed == Missed::Skip && late >= self.pace.period.length;
        let skipped = if is_missed { periods(late, self.pace.period.length) } else { 0 };
        if is_missed {
            // The phase stays.
            let passed = late.saturating_sub(rest(late, self.pace.period.length));
            self.due = self.due.and_then(|due| due.checked_add(passed)).or(self.due);
        }
        Woken { late, skipped, is_remarkable }
    }

    /// Computes when the next run is due, because the last one has ended.
    pub(crate) fn run_ended(&mut self, jitter: Duration) -> RunEnd {
        let end = self.pace.now();
        let behind = self.late(end);
        let skipped = self.due.map_or(0, |due| self.pace.skipped(due, end.saturating_sub(jitter)));
        self.due = self.due.and_then(|due| self.pace.next(due, end, jitter));
        RunEnd { skipped, behind, late: self.late(end) }
    }

    /// Skips the runs that were due before the end of a catch-up run, which has taken their place.
    pub(crate) fn catch_up_run_ended(&mut self, jitter: Duration) -> RunEnd {
        let end = self.pace.now();
        let behind = self.behind.saturating_add(end.saturating_sub(self.began));
        let by = end.saturating_sub(jitter);
        let mut skipped = 0;
        if let Some(due) = self.due.filter(|due| *due < by && self.pace.missed == Missed::Skip) {
            skipped = self.pace.skipped(due, by).saturating_add(1);
            self.due = self.pace.next(due, end, jitter);
        }
        RunEnd { skipped, behind, late: self.late(end) }
    }

    fn late(&self, now: Duration) -> Duration {
        self.due.map_or(Duration::ZERO, |due| now.saturating_sub(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn times(missed: Missed, length: Duration) -> PeriodTimes {
        let period = Period { length, delay: Duration::ZERO, clock: Clock::Monotonic };
        PeriodTimes {
            pace: Pace { period, missed },
            due: None,
            began: Duration::ZERO,
            behind: Duration::ZERO,
        }
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
}
