//! The due times of one life of a repeating daemon, of either kind.

use std::hash::BuildHasher;
use std::process;
use std::time::Duration;

use crate::command::error::Error;
#[cfg(feature = "cron")]
use crate::life::calendar::CalendarTimes;
use crate::life::catch_up::{keep_success, last_success};
use crate::life::context::Context;
use crate::life::log;
use crate::life::notice::Notice;
use crate::life::occasion::{Interruption, Occasion};
use crate::life::pace::Missed;
use crate::life::period::PeriodTimes;
use crate::life::woken::{RunEnd, Woken};
use crate::sys::clock::now;
use crate::timing::{Rule, Timing};

/// The due times of one life of a repeating daemon.
pub(crate) struct Due<'a> {
    name: &'a str,
    context: &'a Context,
    times: Times,
    missed: Missed,
    jitter: Duration,
    /// A run whose time has come. It waits for its jitter.
    pending: Option<Pending>,
    /// Why the run in progress has begun, or if there is none, the last run.
    reason: Reason,
    /// Whether the run before began remarkably late, and whether others were skipped because of it. Only the first of
    /// several such runs in a row deserves a line.
    was_late: bool,
    has_skipped: bool,
}

enum Times {
    Period(PeriodTimes),
    #[cfg(feature = "cron")]
    Calendar(Box<CalendarTimes>),
}

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Due,
    /// The run is a catch-up run: another one was due while no daemon was running.
    CatchUp,
    Call,
}

#[derive(Clone, Copy)]
struct Pending {
    reason: Reason,
    /// The moment of the monotonic clock at which the run begins, or `None` if the clock cannot reach it.
    begins: Option<Duration>,
}

impl<'a> Due<'a> {
    /// Begins to count at this moment, or after the last success that a daemon has kept.
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
        let last = last_success(context);
        let (times, behind, delay) = match &timing.rule {
            Rule::Every(period) => {
                let (times, behind) = PeriodTimes::begin(*period, missed, last);
                // After a single run, there is no next one.
                let repetition = &context.state().repetition;
                if behind.is_some() {
                    times.note_catch_up_in(&repetition.record);
                } else if !repetition.is_single_run {
                    times.note_in(&repetition.record, false);
                }
                (Times::Period(times), behind, period.delay)
            }
            #[cfg(feature = "cron")]
            Rule::Cron(calendar) => {
                let (times, behind) = CalendarTimes::begin(calendar.schedule()?.clone(), last);
                (Times::Calendar(Box::new(times)), behind, Duration::ZERO)
            }
        };
        let pending = if context.state().repetition.is_single_run {
            Some(Pending { reason: Reason::Due, begins: Some(now()) })
        } else if let Some(behind) = behind {
            log::report(name, Notice::CatchingUp { behind });
            let pause = delay.saturating_add(part_of(timing.jitter));
            Some(Pending { reason: Reason::CatchUp, begins: now().checked_add(pause) })
        } else {
            None
        };
        Ok(Self {
            name,
            context,
            times,
            missed,
            jitter: timing.jitter,
            pending,
            reason: Reason::Due,
            was_late: false,
            has_skipped: false,
        })
    }

    /// Waits until a run begins, because it is due or because a caller asks for one. Returns `None` if a stop is
    /// requested.
    ///
    /// After a run for a caller, a run that is due comes before the next caller.
    pub(crate) fn await_occasion(&mut self) -> Option<Occasion> {
        if self.context.begins_to_wait() {
            return None;
        }
        let call = if self.reason == Reason::Call { None } else { self.context.take_call() };
        let interruption = match call {
            Some(call) => Some(Interruption::Call(call)),
            None => self.wait().err(),
        };
        match interruption {
            Some(Interruption::Stop) => None,
            Some(Interruption::Call(call)) => {
                self.reason = Reason::Call;
                Some(Occasion::Called(call))
            }
            None => {
                self.reason = self.pending.take().map_or(Reason::Due, |pending| pending.reason);
                if self.moves_the_next() && !self.context.state().repetition.is_single_run {
                    self.note(true);
                }
                Some(Occasion::Due)
            }
        }
    }

    /// Waits until the next run must begin. A run whose time has come is pending while it waits for its jitter.
    fn wait(&mut self) -> Result<(), Interruption> {
        if self.pending.is_none() {
            let late = self.wait_for_time()?;
            let pause = part_of(self.jitter).saturating_sub(late);
            if pause.is_zero() {
                return Ok(());
            }
            self.pending = Some(Pending { reason: Reason::Due, begins: now().checked_add(pause) });
            self.note(false);
        }
        let begins = self.pending.and_then(|pending| pending.begins);
        if begins.is_some_and(|begins| begins <= now()) {
            return Ok(());
        }
        self.context.sleep(begins, &|| self.context.interruption()).map_or(Ok(()), Err)
    }

    /// Waits until the next run is due, and returns how late it is.
    fn wait_for_time(&mut self) -> Result<Duration, Interruption> {
        let context = self.context;
        let wanted = || context.interruption();
        let Woken { late, skipped, is_remarkable } = match &mut self.times {
            Times::Period(times) => times.wait(context, &wanted)?,
            #[cfg(feature = "cron")]
            Times::Calendar(times) => times.wait(self.name, context, &wanted)?,
        };
        if is_remarkable && !self.was_late {
            log::report(self.name, Notice::WokeLate { late, skipped });
        }
        self.was_late = is_remarkable;
        Ok(late)
    }

    /// Notes when the next run is due, or that it begins.
    fn note(&self, begins: bool) {
        match &self.times {
            Times::Period(times) => times.note_in(&self.context.state().repetition.record, begins),
            #[cfg(feature = "cron")]
            Times::Calendar(_) => {}
        }
    }

    /// Returns whether the end of the last run decides when the next one is due. Neither a run for a caller nor a
    /// catch-up run moves the others, except that with [`Missed::Delay`], the pause is counted from a catch-up run too.
    /// Like every run but one for a caller, a catch-up run takes the place of those that are due before it ends.
    fn moves_the_next(&self) -> bool {
        match self.reason {
            Reason::Due => true,
            Reason::CatchUp => self.missed == Missed::Delay,
            Reason::Call => false,
        }
    }

    /// Keeps the time of the last run, because it has succeeded, if the daemon makes up for runs. What a pending
    /// catch-up run makes up for was due before this success, so this run takes its place.
    pub(crate) fn run_succeeded(&mut self) {
        if self.pending.is_some_and(|pending| pending.reason == Reason::CatchUp) {
            self.pending = None;
            self.reason = Reason::CatchUp;
        }
        keep_success(self.context, |now| match &self.times {
            Times::Period(times) => times.last_due(self.reason == Reason::Due, now),
            #[cfg(feature = "cron")]
            Times::Calendar(times) => Some(times.last_due()),
        });
    }

    /// Computes when the next run is due, because the last one has ended.
    pub(crate) fn run_ended(&mut self) {
        if self.reason == Reason::Call {
            return;
        }
        let moves_the_next = self.moves_the_next();
        let RunEnd { skipped, behind, late } = match &mut self.times {
            Times::Period(times) => {
                let end = if moves_the_next {
                    times.run_ended(self.jitter)
                } else {
                    times.catch_up_run_ended(self.jitter)
                };
                times.note_in(&self.context.state().repetition.record, false);
                end
            }
            #[cfg(feature = "cron")]
            Times::Calendar(times) => times.run_ended(self.jitter),
        };
        if skipped > 0 {
            let is_first = !self.has_skipped;
            log::report(self.name, Notice::RunsSkipped { count: skipped, behind, is_first });
        }
        self.has_skipped = skipped > 0;
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
