//! The repeat loop: a body that runs once a period, without drift.

use std::time::Duration;

use crate::command::error::Error;
use crate::life::body::sealed::IntoEnding;
use crate::life::body::{Body, Ending};
use crate::life::context::Context;
use crate::life::in_unit::is_by_timer;
use crate::life::log;
use crate::life::nested_runtime;
use crate::life::notice::Notice;
use crate::sys::clock::now;

/// The mode of a [`Daemon`](crate::Daemon) whose body is called once a period.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Repeating};
/// use std::time::Duration;
///
/// fn ticker(seconds: u64) -> Daemon<Repeating> {
///     Daemon::new("ticker").every(Duration::from_secs(seconds))
/// }
///
/// let mut runs = 0;
/// ticker(60).name("repeating-example").times(1).run(|| runs += 1)?;
/// assert_eq!(runs, 1);
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Repeating {
    pub(crate) every: Duration,
    pub(crate) times: u64,
    pub(crate) missed: Missed,
    pub(crate) on_error: OnError,
}

/// The effect of a run that takes longer than the period on the runs after it.
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

/// The effect of an error or a panic of one run on a repeating daemon.
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon, OnError};
/// use std::time::Duration;
///
/// let daemon = Daemon::new("on-error-enum-example").every(Duration::from_millis(1));
/// let outcome = daemon.clone().on_error(OnError::Stop).run(|| Err::<(), _>("the network is down"))?;
/// assert_eq!(*outcome.answer(), Answer::Finished { code: 1 });
/// # daemon.stop()?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnError {
    /// Ends the daemon with a failure.
    #[default]
    Stop,
    /// Logs the error and continues.
    Continue,
}

/// A value of which each run of a repeating daemon gets a clone, and each life of a daemon with
/// [`respawn`](crate::Daemon::respawn).
///
/// Every `Clone` type implements this trait. The attributes pass arguments by value through it, so that the compiler's
/// message about a type that is not `Clone` names the right repair: a reference, which is lent to each run. With a
/// clone, every run would begin with the value that the caller has passed.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, RunArgument};
/// use std::time::Duration;
///
/// fn tick(mut names: Vec<&str>) {
///     assert_eq!(names.pop(), Some("gamma"));
/// }
///
/// let names = vec!["alpha", "beta", "gamma"];
/// let daemon = Daemon::new("run-argument-example").every(Duration::from_millis(1)).times(3);
/// daemon.run(|| tick(names.for_run()))?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Clone`, so it can't be passed by value to every run or life",
    label = "write `&{Self}`, which is lent to each, or without `respawn` `&mut {Self}`, which keeps its state"
)]
pub trait RunArgument {
    /// Returns a clone.
    #[must_use]
    fn for_run(&self) -> Self;
}

// Otherwise the compiler would ask for `Clone`, and not show the message above.
#[diagnostic::do_not_recommend]
impl<T: Clone> RunArgument for T {
    fn for_run(&self) -> Self {
        self.clone()
    }
}

impl<F: FnMut() -> T, T> Body<Repeating, fn() -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = true;
    const WITH_CONTEXT: bool = false;

    fn check(mode: &Repeating) -> Result<(), Error> {
        mode.check()
    }

    fn set_up(_: &Repeating) -> Result<(), Ending> {
        Ok(())
    }

    fn live(mut self, mode: &Repeating, (): (), name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeat(name, |due| context.wait_until(due), || Ending::of(&mut self))
    }
}

impl<F: FnMut(&Context) -> T, T> Body<Repeating, fn(&Context) -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = true;
    const WITH_CONTEXT: bool = true;

    fn check(mode: &Repeating) -> Result<(), Error> {
        mode.check()
    }

    fn set_up(_: &Repeating) -> Result<(), Ending> {
        Ok(())
    }

    fn live(mut self, mode: &Repeating, (): (), name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeat(name, |due| context.wait_until(due), || Ending::of(|| self(context)))
    }
}

impl Repeating {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, times: 0, missed: Missed::default(), on_error: OnError::default() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.every.is_zero() {
            return Err(Error::failed(format_args!("`every` is zero; give a period such as 5s")));
        }
        Ok(())
    }

    /// Runs at once, and then whenever a run is due, until `times` runs are done or `pause` returns that a stop is
    /// requested.
    pub(crate) fn repeat(
        &self,
        name: &str,
        pause: impl Fn(Option<Duration>) -> bool,
        mut run: impl FnMut() -> Ending,
    ) -> Ending {
        let mut due = Some(now());
        let mut runs = 0;
        let mut has_skipped = false;
        while !pause(due) {
            let ending = run();
            if ending.code != 0 && (self.on_error == OnError::Stop || nested_runtime::is_refused()) {
                return ending;
            }
            runs += 1;
            ending.report_run(name, runs);
            if runs == self.times || is_by_timer() {
                break;
            }
            let end = now();
            let count = due.map_or(0, |due| self.skipped(due, end));
            if count > 0 {
                let behind = end.saturating_sub(due.unwrap_or(end));
                log::report(name, Notice::RunsSkipped { count, behind, is_first: !has_skipped });
            }
            has_skipped = count > 0;
            due = due.and_then(|due| self.next(due, end));
            if let Some(late) = due.and_then(|due| end.checked_sub(due)).filter(|late| !late.is_zero()) {
                log::report(name, Notice::RunLate { late });
            }
        }
        Ending::SUCCESS
    }

    /// Returns how many runs are skipped, given the time at which the last one was due and the time now.
    fn skipped(&self, due: Duration, now: Duration) -> u64 {
        if self.missed != Missed::Skip || due.checked_add(self.every).is_none_or(|on_time| on_time >= now) {
            return 0;
        }
        let periods = now.saturating_sub(due).as_nanos() / self.every.as_nanos();
        u64::try_from(periods).unwrap_or(u64::MAX)
    }

    /// Returns the time of the next run, given the time at which the last one was due and the time now. Returns `None`
    /// if the clock cannot reach it.
    fn next(&self, due: Duration, now: Duration) -> Option<Duration> {
        let on_time = due.checked_add(self.every)?;
        match self.missed {
            Missed::Burst => Some(on_time),
            Missed::Delay => now.checked_add(self.every),
            Missed::Skip if on_time >= now => Some(on_time),
            Missed::Skip => {
                let into_period = now.saturating_sub(due).as_nanos() % self.every.as_nanos();
                now.checked_add(self.every)?.checked_sub(from_nanos(into_period))
            }
        }
    }
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

    fn next(missed: Missed, due: u64, now: u64) -> u64 {
        let every = Duration::from_millis(100);
        let mode = Repeating { missed, ..Repeating::new(every) };
        let (due, now) = (Duration::from_millis(due), Duration::from_millis(now));
        u64::try_from(mode.next(due, now).unwrap().as_millis()).unwrap()
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
    fn the_skipped_runs_are_counted() {
        let skipped = |missed, now| {
            let mode = Repeating { missed, ..Repeating::new(Duration::from_millis(100)) };
            mode.skipped(Duration::from_secs(1), Duration::from_millis(now))
        };
        assert_eq!(
            [1_030, 1_100, 1_101, 1_199, 1_330].map(|now| skipped(Missed::Skip, now)),
            [0, 0, 1, 1, 3]
        );
        assert_eq!([Missed::Burst, Missed::Delay].map(|missed| skipped(missed, 1_330)), [0, 0]);
    }

    #[test]
    fn the_clocks_end_is_no_deadline() {
        let mode = Repeating::new(Duration::MAX);
        assert_eq!(mode.next(Duration::from_secs(1), Duration::from_secs(2)), None);
    }
}
