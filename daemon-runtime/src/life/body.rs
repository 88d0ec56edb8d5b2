//! The body of a daemon, whose return value becomes the exit status.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use self::sealed::IntoEnding;
use crate::command::duration::Span;
use crate::command::error::Error;
use crate::life::context::Context;
use crate::life::log;
use crate::life::notice::Notice;
use crate::life::panic::Panic;

/// The mode of a [`Daemon`](crate::Daemon) whose body is called once.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Once;

/// A daemon's body: a function or closure that takes nothing or a `&`[`Context`].
///
/// `M` is the mode: [`Once`] calls an `FnOnce`, [`Repeating`](crate::Repeating) an `FnMut`. With
/// [`WithSetup`](crate::WithSetup) the first parameter is a `&mut` to the value of [`setup`](crate::Daemon::setup). `K`
/// is the signature, which the compiler infers. The return value is a [`BodyResult`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a daemon's body",
    label = "not a body",
    note = "a body is a function or closure without parameters, or with one `&daemonic::Context`",
    note = "the body of a repeating daemon is called many times, so it can't move out of what it has captured",
    note = "with `setup`, the body's first parameter is a `&mut` to what `setup` has made, with its type written out"
)]
pub trait Body<M, K> {
    /// The type of the return value.
    type Output;

    /// The value that [`setup`](crate::Daemon::setup) makes, which each run borrows.
    #[doc(hidden)]
    type Value;

    /// Whether a stop signal only requests a stop, and does not end the process.
    #[doc(hidden)]
    const GRACEFUL: bool;

    /// Whether the body takes the [`Context`].
    #[doc(hidden)]
    const WITH_CONTEXT: bool;

    /// Whether the mode has a [`setup`](crate::Daemon::setup).
    #[doc(hidden)]
    const WITH_SETUP: bool = false;

    /// Whether the mode has a [`check`](crate::Daemon::check).
    #[doc(hidden)]
    const WITH_CHECK: bool = false;

    /// Whether the mode calls the body again and again.
    #[doc(hidden)]
    const REPEATS: bool = false;

    /// Checks the mode's own keys, and then runs the user's [`check`](crate::Daemon::check).
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc, reason = "hidden")]
    fn check(_: &M) -> Result<(), Error> {
        Ok(())
    }

    /// Makes the value, or returns why there is none.
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc, reason = "hidden")]
    fn set_up(mode: &M) -> Result<Self::Value, Ending>;

    /// Calls the body as often as the mode says. Other crates cannot name the return type, so the trait is sealed.
    #[doc(hidden)]
    fn live(self, mode: &M, value: Self::Value, name: &str, context: &Context) -> Ending
    where
        Self::Output: IntoEnding;
}

/// The return value of a body: `()`, `!`, `ExitCode`, or a `Result` of these whose error is `Display`.
///
/// It decides the daemon's exit status. An error's text (`{:#}`) goes to the log, and the status is 1;
/// [`Termination`](std::process::Termination) would print its `Debug` instead.
#[diagnostic::on_unimplemented(
    message = "a daemon's body can't return `{Self}`",
    label = "not an exit status",
    note = "it returns `()`, `!`, `ExitCode`, or a `Result` of these whose error is `Display`; a future needs a runtime around it, built in the daemon"
)]
pub trait BodyResult: IntoEnding {}

// Not `for T: IntoEnding`: the compiler would then ask the user for that trait. The note above lists what it would
// recommend, and has a better name for `Never`.
#[diagnostic::do_not_recommend]
impl BodyResult for () {}
#[diagnostic::do_not_recommend]
impl BodyResult for Never {}
#[diagnostic::do_not_recommend]
impl BodyResult for ExitCode {}
impl<T: BodyResult, E: Display> BodyResult for Result<T, E> {}

pub(crate) mod sealed {
    use super::Ending;

    pub trait IntoEnding {
        fn into_ending(self) -> Ending;
    }

    pub trait Returns {
        type Output;
    }
}

/// The end of a body.
pub struct Ending {
    pub(crate) code: u8,
    pub(crate) error: Option<String>,
    /// A panic, which the panic hook has already written to the log.
    panic: Option<Panic>,
}

impl Ending {
    pub(crate) const SUCCESS: Self = Self { code: 0, error: None, panic: None };

    /// Calls a body and catches its panic.
    pub(crate) fn of<T: IntoEnding>(body: impl FnOnce() -> T) -> Self {
        Self::caught(|| body().into_ending())
    }

    /// Turns a panic into an ending.
    pub(crate) fn caught(live: impl FnOnce() -> Self) -> Self {
        catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(Self::of_panic)
    }

    /// Makes a value, and turns a panic into an ending.
    pub(crate) fn catching<T>(make: impl FnOnce() -> Result<T, Self>) -> Result<T, Self> {
        catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|payload| Err(Self::of_panic(payload)))
    }

    pub(crate) fn of_error(error: &impl Display) -> Self {
        Self { code: 1, error: Some(format!("{error:#}")), ..Self::SUCCESS }
    }

    /// Turns this into the end of a run that had to end when its time was over.
    pub(crate) fn timed_out(self, limit: Duration) -> Self {
        let mut error = format!("timed out after {}", Span(limit));
        if let Some(own) = self.message() {
            error = format!("{error}: {own}");
        }
        Self { code: self.code.max(1), error: Some(error), panic: None }
    }

    fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let panic = Some(Panic::caught(&*payload));
        // The payload's destructor could panic again, and so could that panic's.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(payload);
        }
        Self { code: 101, error: None, panic }
    }

    /// Returns the reason for the launcher, if the daemon was never ready.
    pub(crate) fn reason(&self) -> &str {
        let panic = self.panic.as_ref().map(Panic::reason);
        self.error.as_deref().or(panic).unwrap_or("returned before it was ready")
    }

    /// Returns the text of the error, or of the panic with its place.
    pub(crate) fn message(&self) -> Option<&str> {
        self.error.as_deref().or_else(|| self.panic.as_ref().map(Panic::message))
    }

    /// Reports the error, if there is one. The panic hook has reported a panic.
    pub(crate) fn report(&self, name: &str) {
        if let Some(error) = &self.error {
            log::report(name, Notice::BodyFailed { error });
        }
    }

    /// Returns the text of a failure: of the error, of the panic with its place, or the exit code.
    pub(crate) fn failure(&self) -> Cow<'_, str> {
        self.message().map_or_else(|| format!("exit {}", self.code).into(), Cow::Borrowed)
    }

    /// Reports the error or the exit code of a run after which the daemon goes on.
    pub(crate) fn report_run(&self, name: &str, run: u64) {
        match &self.error {
            Some(error) => log::report(name, Notice::RunFailed { run, error }),
            None if self.code != 0 && self.panic.is_none() => {
                log::report(name, Notice::RunFailed { run, error: &format!("exit {}", self.code) });
            }
            None => {}
        }
    }
}

impl<F: FnOnce() -> T, T> Body<Once, fn() -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = false;
    const WITH_CONTEXT: bool = false;

    fn set_up(_: &Once) -> Result<(), Ending> {
        Ok(())
    }

    fn live(self, _: &Once, (): (), _: &str, _: &Context) -> Ending
    where
        T: IntoEnding,
    {
        Ending::of(self)
    }
}

impl<F: FnOnce(&Context) -> T, T> Body<Once, fn(&Context) -> T> for F {
    type Output = T;
    type Value = ();
    const GRACEFUL: bool = true;
    const WITH_CONTEXT: bool = true;

    fn set_up(_: &Once) -> Result<(), Ending> {
        Ok(())
    }

    fn live(self, _: &Once, (): (), _: &str, context: &Context) -> Ending
    where
        T: IntoEnding,
    {
        Ending::of(|| self(context))
    }
}

impl IntoEnding for () {
    fn into_ending(self) -> Ending {
        Ending::SUCCESS
    }
}

impl IntoEnding for Never {
    fn into_ending(self) -> Ending {
        self
    }
}

impl IntoEnding for ExitCode {
    fn into_ending(self) -> Ending {
        // The number can only be found by comparing, and the process must end with it without returning to `main`.
        let code = (0..=u8::MAX).find(|code| Self::from(*code) == self);
        Ending { code: code.unwrap_or(1), ..Ending::SUCCESS }
    }
}

impl<T: IntoEnding, E: Display> IntoEnding for Result<T, E> {
    fn into_ending(self) -> Ending {
        match self {
            Ok(value) => value.into_ending(),
            Err(error) => Ending::of_error(&error),
        }
    }
}

/// The type `!`, under the only name that it has on stable Rust: the return type of `fn() -> !`.
type Never = <fn() -> ! as sealed::Returns>::Output;

impl<T> sealed::Returns for fn() -> T {
    type Output = T;
}
