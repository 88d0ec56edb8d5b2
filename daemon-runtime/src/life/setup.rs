//! The value that a repeating daemon makes once, before it is ready, for all of its runs.

use std::fmt::{self, Debug, Display};

use crate::command::error::Error;
use crate::life::body::sealed::IntoEnding;
use crate::life::body::{Body, Ending};
use crate::life::context::Context;
use crate::life::repeat::Repeating;
use crate::timing::Every;

/// The mode of a repeating [`Daemon`](crate::Daemon) with a [`setup`](crate::Daemon::setup).
///
/// Each run borrows the value of the setup, which is an `S`.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, WithSetup};
/// use std::time::Duration;
///
/// fn ticker(first: u32) -> Daemon<WithSetup<u32, impl Fn() -> u32>> {
///     Daemon::new("with-setup-example").every(Duration::from_millis(1)).times(3).setup(move || first)
/// }
///
/// let mut last = 0;
/// ticker(5).run(|number: &mut u32| {
///     last = *number;
///     *number += 1;
/// })?;
/// assert_eq!(last, 7);
/// # Ok::<_, daemonic::Error>(())
/// ```
pub struct WithSetup<S, F, W = Every> {
    repeating: Repeating<W>,
    setup: F,
    /// Calls the setup. `S` comes from the body, so the compiler blames a setup that makes something else, and not the
    /// body.
    make: fn(&F) -> Result<S, Ending>,
}

/// The result of a [`setup`](crate::Daemon::setup) that makes an `S`: the `S` itself, or a `Result` whose error is
/// `Display`.
#[diagnostic::on_unimplemented(
    message = "`setup` can't make a `{S}` of `{Self}`",
    label = "not the `{S}` that the runs borrow",
    note = "it returns `{S}`, or a `Result<{S}, E>` whose error is `Display`"
)]
pub trait SetupResult<S> {
    /// Returns the value or the end of the daemon. Other crates cannot name that, so the trait is sealed.
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc, reason = "hidden")]
    fn into_value(self) -> Result<S, Ending>;
}

#[diagnostic::do_not_recommend]
impl<S> SetupResult<S> for S {
    fn into_value(self) -> Result<S, Ending> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<S, E: Display> SetupResult<S> for Result<S, E> {
    fn into_value(self) -> Result<S, Ending> {
        self.map_err(|error| Ending::of_error(&error))
    }
}

impl<S, F, W> WithSetup<S, F, W> {
    pub(crate) fn new<R: SetupResult<S>>(repeating: Repeating<W>, setup: F) -> Self
    where
        F: Fn() -> R,
    {
        Self { repeating, setup, make: |setup| setup().into_value() }
    }
}

// A derived implementation would require `S: Clone`.
impl<S, F: Clone, W: Clone> Clone for WithSetup<S, F, W> {
    fn clone(&self) -> Self {
        Self { repeating: self.repeating.clone(), setup: self.setup.clone(), make: self.make }
    }
}

impl<S, F, W: Debug> Debug for WithSetup<S, F, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSetup").field("repeating", &self.repeating).finish_non_exhaustive()
    }
}

impl<B: FnMut(&mut S) -> T, S, F, T, W> Body<WithSetup<S, F, W>, fn(&mut S) -> T> for B {
    type Output = T;
    type Value = S;
    const GRACEFUL: bool = true;
    const REPEATS: bool = true;
    const WITH_CONTEXT: bool = false;
    const WITH_SETUP: bool = true;

    fn check(mode: &WithSetup<S, F, W>) -> Result<(), Error> {
        mode.repeating.check()
    }

    fn set_up(mode: &WithSetup<S, F, W>) -> Result<S, Ending> {
        (mode.make)(&mode.setup)
    }

    fn live(mut self, mode: &WithSetup<S, F, W>, mut value: S, name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeating.repeat(name, context, || Ending::of(|| self(&mut value)))
    }
}

impl<B: FnMut(&mut S, &Context) -> T, S, F, T, W> Body<WithSetup<S, F, W>, fn(&mut S, &Context) -> T> for B {
    type Output = T;
    type Value = S;
    const GRACEFUL: bool = true;
    const REPEATS: bool = true;
    const WITH_CONTEXT: bool = true;
    const WITH_SETUP: bool = true;

    fn check(mode: &WithSetup<S, F, W>) -> Result<(), Error> {
        mode.repeating.check()
    }

    fn set_up(mode: &WithSetup<S, F, W>) -> Result<S, Ending> {
        (mode.make)(&mode.setup)
    }

    fn live(mut self, mode: &WithSetup<S, F, W>, mut value: S, name: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        mode.repeating.repeat(name, context, || Ending::of(|| self(&mut value, context)))
    }
}
