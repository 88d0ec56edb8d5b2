//! The due times of one life of a repeating daemon, of either kind.

use std::hash::BuildHasher;
use std::process;
use std::time::Duration;

use crate::command::error::Error;
#[cfg(feature = "cron")]
use crate::life::calendar::CalendarTimes;
use crate::life::context::Context;
use crate::life::log;
use crate::life::notice::Notice;
use crate::life::period::{Missed, PeriodTimes};
use crate::life::woken::{RunEnd, Woken};
use crate::sys::clock::now;
use crate::timing::{Rule, Timing};

/// The due times of one life of a repeating daemon.
pub(crate) struct Due<'a> {
    name: &'a str,
    context: &'a Context,
    times: Times,
    jitter: Duration,
    /// Whether the run before was so late that there is a line about it, or that it made others be skipped. Only the
    /// first of several such runs in a row deserves a line.
    was_late: bool,
}

enum Times {
    Period(PeriodTimes),
    #[cfg(feature = "cron")]
    Calendar(Box<CalendarTimes>),
}

impl<'a> Due<'a> {
    /// Begins to count at this moment.
    ///
    /// # Errors
    ///
    /// Fails if there is no schedule. A start has checked that before.
    #[cfg_attr(
        not(feature = "cron"),
        allow(clippy::unnecessary_wraps, reason = "it can fail with that feature")
    )]
    pub(crate) fn begin(
        name: &'a str,
        timing: &Timing,
        missed: Missed,
        context: &'a Context,
    ) -> Result<Self, Error> {
        let times = match &timing.rule {
            Rule::Every(period) => Times::Period(PeriodTimes::begin(*period, missed)),
            #[cfg(feature = "cron")]
            Rule::Cron(calendar) => {
                Times::Calendar(Box::new(CalendarTimes::begin(calendar.schedule()?.clone())))
            }
        };
        Ok(Self { name, context, times, jitter: timing.jitter, was_late: false })
    }

    /// Waits until the next run is to begin. Returns whether a stop is requested instead.
    pub(crate) fn wait(&mut self) -> bool {
        let woken = match &mut self.times {
            Times::Period(times) => times.wait(self.context),
            #[cfg(feature = "cron")]
            Times::Calendar(times) => times.wait(self.name, self.context),
        };
        let Some(Woken { late, skipped, is_remarkable }) = woken else { return true };
        if is_remarkable && !self.was_late {
            log::report(self.name, Notice::WokeLate { late, skipped });
        }
        self.was_late = is_remarkable;
        let pause = part_of(self.jitter).saturating_sub(late);
        !pause.is_zero() && self.context.wait_until(now().checked_add(pause))
    }

    /// Computes when the next run is due, because the last one has ended.
    pub(crate) fn run_ended(&mut self) {
        let RunEnd { skipped, behind, late } = match &mut self.times {
            Times::Period(times) => times.run_ended(self.jitter),
            #[cfg(feature = "cron")]
            Times::Calendar(times) => times.run_ended(self.jitter),
        };
        if skipped > 0 {
            let is_first = !self.was_late;
            log::report(self.name, Notice::RunsSkipped { count: skipped, behind, is_first });
        }
        self.was_late |= skipped > 0;
        if !late.is_zero() {
            log::report(self.name, Notice::RunLate { late });
        }
    }
}

/// Returns a random part of a time.
fn part_of(whole: Duration) -> Duration {
    if whole.is_zero() {
        return whole;
    }
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    // std's hasher has random keys. A forked process has the same ones as its parent.
    let random = std::hash::RandomState::new().hash_one((now(), process::id()));
    let part = (u128::from(random) * (u128::from(nanos) + 1)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_part_is_never_more_than_the_whole_and_not_always_the_same() {
        let whole = Duration::from_secs(2);
        let parts: Vec<_> = (0..1000).map(|_| part_of(whole)).collect();
        assert!(parts.iter().all(|part| *part <= whole));
        for quarter in 0..4 {
            let (from, to) = (whole / 4 * quarter, whole / 4 * (quarter + 1));
            let count = parts.iter().filter(|part| (from..to).contains(part)).count();
            assert!((150..350).contains(&count), "{count} of 1000 in quarter {quarter}");
        }
        assert_eq!(part_of(Duration::ZERO), Duration::ZERO);
        assert!(part_of(Duration::MAX) <= Duration::MAX);
    }
}
