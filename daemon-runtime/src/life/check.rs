//! The check that a launcher runs before it starts, restarts or runs a daemon.

use std::fmt::{self, Debug, Display};

use crate::command::error::Error;
use crate::life::body::sealed::IntoEnding;
use crate::life::body::{Body, Ending};
use crate::life::context::Context;

/// The mode of a [`Daemon`](crate::Daemon) with a [`check`](crate::Daemon::check), around its mode `M`.
///
/// # Examples
///
/// ```
/// use daemonic::{Checked, Daemon, Once};
///
/// fn doubler(number: &str) -> Daemon<Checked<Once, impl Fn() -> Result<i32, std::num::ParseIntError>>> {
///     Daemon::new("checked-example").check(move || number.parse())
/// }
///
/// doubler("21").run(|| println!("42"))?;
/// assert!(doubler("many").run(|| unreachable!()).is_err());
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Clone)]
pub struct Checked<M, F> {
    mode: M,
    check: F,
    /// Calls the check, and returns the text of its error.
    ask: fn(&F) -> Result<(), String>,
}

/// The result of a [`check`](crate::Daemon::check): a `Result` whose error is `Display`. Its value is dropped.
#[diagnostic::on_unimplemented(
    message = "`check` can't be a `{Self}`",
    label = "not a `Result` with an error that is `Display`",
    note = "write a `Result<T, E>` whose error `E` is `Display`"
)]
pub trait CheckResult {
    /// Returns the text of the error. Other crates cannot name the token's type, so they cannot implement this.
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc, reason = "hidden")]
    fn into_text(self, _: sealed::Token) -> Result<(), String>;
}

#[diagnostic::do_not_recommend]
impl<T, E: Display> CheckResult for Result<T, E> {
    fn into_text(self, _: sealed::Token) -> Result<(), String> {
        self.map(drop).map_err(|error| format!("{error:#}"))
    }
}

mod sealed {
    #[derive(Debug)]
    pub struct Token;
}

/// An argument of a daemon's function that the key `check` uses.
///
/// The body needs it too, so the attributes clone it with [`for_check`](CheckArgument::for_check).
///
/// # Examples
///
/// ```
/// use daemonic::{CheckArgument, Daemon};
///
/// let number = String::from("42");
/// let copy = number.for_check();
/// let daemon = Daemon::new("check-argument-example").check(move || copy.parse::<i32>());
/// daemon.run(move || drop(number))?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Clone`, so `check` can't use it: the body needs it too",
    label = "write `&{Self}`, or derive `Clone`"
)]
pub trait CheckArgument {
    /// Returns a clone.
    #[must_use]
    fn for_check(&self) -> Self;
}

// Otherwise the compiler would ask for `Clone`, and not show the message above.
#[diagnostic::do_not_recommend]
impl<T: Clone> CheckArgument for T {
    fn for_check(&self) -> Self {
        self.clone()
    }
}

impl<M, F> Checked<M, F> {
    pub(crate) fn new<R: CheckResult>(mode: M, check: F) -> Self
    where
        F: Fn() -> R,
    {
        Self { mode, check, ask: |check| check().into_text(sealed::Token) }
    }
}

impl<M: Debug, F> Debug for Checked<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[diagnostic::do_not_recommend]
impl<B: Body<M, K>, M, K, F> Body<Checked<M, F>, K> for B {
    type Output = B::Output;
    type Value = B::Value;
    const GRACEFUL: bool = B::GRACEFUL;
    const WITH_CONTEXT: bool = B::WITH_CONTEXT;
    const WITH_SETUP: bool = B::WITH_SETUP;
    const WITH_CHECK: bool = true;
    const REPEATS: bool = B::REPEATS;

    fn check(mode: &Checked<M, F>) -> Result<(), Error> {
        B::check(&mode.mode)?;
        (mode.ask)(&mode.check).map_err(|text| Error::failed(format_args!("{text}")))
    }

    fn set_up(mode: &Checked<M, F>) -> Result<B::Value, Ending> {
        B::set_up(&mode.mode)
    }

    fn live(self, mode: &Checked<M, F>, value: B::Value, name: &str, context: &Context) -> Ending
    where
        B::Output: IntoEnding,
    {
        Body::live(self, &mode.mode, value, name, context)
    }
}
