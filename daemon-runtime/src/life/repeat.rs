//! The repeat loop: a body that is called whenever a run is due.

use std::marker::PhantomData;
use std::time::Duration;

use crate::command::error::Error;
use crate::life::body::sealed::IntoEnding;
use crate::life::body::{Body, Ending};
use crate::life::context::Context;
use crate::life::due::Due;
use crate::life::nested_runtime;
use crate::life::pace::Missed;
use crate::life::retry::{Attempts, Retry};
use crate::life::run_timeout::RunTimeout;
use crate::timing::{Every, Timing};

/// The mode of a [`Daemon`](crate::Daemon) whose body is called repeatedly: once a period, with `W` = [`Every`], or at
/// the times of a cron expression, with `W` = `Cron` (feature `cron`).
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
#[derive(Debug, Clone)]
pub struct Repeating<W = Every> {
    pub(crate) timing: Timing,
    kind: PhantomData<W>,
    pub(crate) times: u64,
    pub(crate) missed: Missed,
    pub(crate) on_error: OnError,
    pub(crate) retry: Retry,
    pub(crate) run_timeout: Option<Duration>,
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

impl<F: FnMut() -> T, T, W> Body<Repeating<W>, fn() -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = true;
    const REPEATS: bool = true;
    const WITH_CONTEXT: bool = false;

    fn check(mode: &Repeating<W>) -> Result<(), Error> {
        mode.check()
    }

    fn set_up(_: &Repeating<W>) -> Result<(), Ending> {
        Ok(())
    }

    fn live(mut self, mode: &Repeating<W>, (): (), name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeat(name, context, || Ending::of(&mut self))
    }
}

impl<F: FnMut(&Context) -> T, T, W> Body<Repeating<W>, fn(&Context) -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = true;
    const REPEATS: bool = true;
    const WITH_CONTEXT: bool = true;

    fn check(mode: &Repeating<W>) -> Result<(), Error> {
        mode.check()
    }

    fn set_up(_: &Repeating<W>) -> Result<(), Ending> {
        Ok(())
    }

    fn live(mut self, mode: &Repeating<W>, (): (), name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeat(name, context, || Ending::of(|| self(context)))
    }
}

impl<W> Repeating<W> {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            kind: PhantomData,
            times: 0,
            missed: Missed::default(),
            on_error: OnError::default(),
            retry: Retry::DEFAULT,
            run_timeout: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.timing.check()?;
        if self.run_timeout.is_some_and(|limit| limit.is_zero()) {
            return Err(Error::failed(format_args!("`run_timeout` is zero; give a time such as 1h")));
        }
        Ok(())
    }

    /// Runs whenever a run is due or a caller asks for one, until `times` runs are done or a stop is requested. A
    /// single run that a stop has prevented has failed.
    pub(crate) fn repeat(&self, name: &str, context: &Context, mut run: impl FnMut() -> Ending) -> Ending {
        let mut due = match Due::begin(name, &self.timing, self.missed, context) {
            Ok(due) => due,
            Err(error) => return Ending::of_error(&error),
        };
        let timeout = match RunTimeout::begin(self.run_timeout, context) {
            Ok(timeout) => timeout,
            Err(ending) => return ending,
        };
        let repetition = &context.state().repetition;
        let mut runs = 0;
        while let Some(occasion) = due.await_occasion() {
            occasion.begin();
            repetition.record.begin();
            let Attempts::Done(ending) = self.retry.attempt(context, || timeout.limit(&mut run)) else {
                break;
            };
            repetition.record.end(ending.code != 0);
            if ending.code == 0 && !timeout.was_over() {
                due.run_succeeded();
            }
            occasion.end(&ending);
            if ending.code != 0
                && (self.on_error == OnError::Stop
                    || repetition.is_single_run
                    || nested_runtime::is_refused())
            {
                return ending;
            }
            runs += 1;
            ending.report_run(name, runs);
            if runs == self.times || repetition.is_single_run {
                break;
            }
            due.run_ended();
        }
        if repetition.is_single_run && runs == 0 {
            return Ending::of_error(&"stopped before the run was done");
        }
        Ending::SUCCESS
    }
}
