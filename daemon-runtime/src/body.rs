//! A daemon's body: what it may be, what it may return, and how its end becomes an exit status.

use std::any::Any;
use std::fmt::Display;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use self::sealed::IntoEnding;
use crate::context::Context;
use crate::error::Error;

/// Marks a [`Daemon`](crate::Daemon) whose body is called once.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Once;

/// Can be a daemon's body: a function or closure that takes nothing or a `&`[`Context`].
///
/// `M` is how often it is called: [`Once`], as an `FnOnce`, or [`Repeating`](crate::Repeating), as an
/// `FnMut`. `K` is its shape, which the compiler finds by itself. What it returns is a [`BodyResult`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a daemon's body",
    label = "no body",
    note = "a body is a function or closure without parameters, or with one `&daemonic::Context`",
    note = "one that repeats is called again and again, so it can't move out of what it has captured"
)]
pub trait Body<M, K> {
    /// What it returns.
    type Output;

    /// Whether it hears of a stop and can end by itself.
    #[doc(hidden)]
    const GRACEFUL: bool;

    /// Whether it gets to see the [`Context`].
    #[doc(hidden)]
    const WITH_CONTEXT: bool;

    /// Refuses what the mode's own keys can't be.
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc, reason = "it is hidden")]
    fn check(_: &M) -> Result<(), Error> {
        Ok(())
    }

    /// Calls it as often as the mode says. Nobody else can name what this returns, so the trait is sealed.
    #[doc(hidden)]
    fn live(self, mode: &M, name: &str, context: &Context) -> Ending
    where
        Self::Output: IntoEnding;
}

/// Can be what a body returns: `()`, `!`, `ExitCode`, or a `Result` of these with a `Display` error.
///
/// It decides the daemon's exit status. An error's whole text (`{:#}`) goes to the log, and the status
/// is 1; [`Termination`](std::process::Termination) would print only its `Debug`.
#[diagnostic::on_unimplemented(
    message = "a daemon's body can't return `{Self}`",
    label = "returns what can't be an exit status",
    note = "it returns `()`, `!`, `ExitCode`, or a `Result` of these whose error is `Display`; a future needs a runtime around it, built in the daemon"
)]
pub trait BodyResult: IntoEnding {}

// Not `for T: IntoEnding`: then the compiler would ask the user for that one. What it recommends is in
// the note above, which knows a better name of `Never`.
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

/// How a body has ended.
pub struct Ending {
    pub(crate) code: u8,
    pub(crate) error: Option<String>,
    /// What the panic hook has already written to the log.
    panic: Option<String>,
}

impl Ending {
    pub(crate) const SUCCESS: Self = Self { code: 0, error: None, panic: None };

    /// Calls a body and catches its panic.
    pub(crate) fn of<T: IntoEnding>(body: impl FnOnce() -> T) -> Self {
        Self::caught(|| body().into_ending())
    }

    /// Makes a panic of whatever belongs to a body its ending.
    pub(crate) fn caught(live: impl FnOnce() -> Self) -> Self {
        catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(Self::of_panic)
    }

    fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let panic = Some(text.map_or("panicked".into(), |text| format!("panicked: {text}")));
        // Its destructor could panic again, and that one's too.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(payload);
        }
        Self { code: 101, error: None, panic }
    }

    /// Says why there is no daemon, if this is the end of one that was never ready.
    pub(crate) fn reason(&self) -> &str {
        self.error.as_deref().or(self.panic.as_deref()).unwrap_or("exited before it was ready")
    }

    /// Writes the error to the log, if there is one.
    pub(crate) fn log(&self, name: &str) {
        if let Some(error) = &self.error {
            let _ = io::stderr().write_all(format!("{name}: {error}\n").as_bytes());
        }
    }
}

impl<F: FnOnce() -> T, T> Body<Once, fn() -> T> for F {
    type Output = T;
    const GRACEFUL: bool = false;
    const WITH_CONTEXT: bool = false;

    fn live(self, _: &Once, _: &str, _: &Context) -> Ending
    where
        T: IntoEnding,
    {
        Ending::of(self)
    }
}

impl<F: FnOnce(&Context) -> T, T> Body<Once, fn(&Context) -> T> for F {
    type Output = T;
    const GRACEFUL: bool = true;
    const WITH_CONTEXT: bool = true;

    fn live(self, _: &Once, _: &str, context: &Context) -> Ending
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
        // There is no other way to see the number (and the process must end by it without returning to
        // `main`): compare.
        let code = (0..=u8::MAX).find(|code| Self::from(*code) == self);
        Ending { code: code.unwrap_or(1), ..Ending::SUCCESS }
    }
}

impl<T: IntoEnding, E: Display> IntoEnding for Result<T, E> {
    fn into_ending(self) -> Ending {
        match self {
            Ok(value) => value.into_ending(),
            Err(error) => Ending { code: 1, error: Some(format!("{error:#}")), ..Ending::SUCCESS },
        }
    }
}

/// The type `!`, by the only name that it has on stable Rust: what a `fn() -> !` returns.
type Never = <fn() -> ! as sealed::Returns>::Output;

impl<T> sealed::Returns for fn() -> T {
    type Output = T;
}
