//! The values that can be read as an action: words, optional words, whole invocations.

use std::ffi::{OsStr, OsString};

use crate::command::action::Action;
use crate::command::error::Result;
use crate::command::invocation::Invocation;
use crate::command::words::{missing, read};

mod sealed {
    pub trait Sealed {}
}

/// A value that can be read as an [`Action`]: an action, text, an [`Invocation`], or an `Option`
/// or `Result` of these.
///
/// The `Option` is for what `std::env::args().nth(1)` returns, and the `Result` for what [`Invocation::from_args`]
/// returns.
///
/// # Errors
///
/// [`into_action`](IntoAction::into_action) fails if there is no action or an unknown one. The error lists the valid
/// ones, and [`Error::is_usage`](crate::Error::is_usage) is true of it.
///
/// # Examples
///
/// ```
/// use daemonic::{Action, IntoAction};
///
/// let arguments = vec!["example".to_owned(), "stop".to_owned()];
/// assert_eq!(arguments.get(1).into_action()?, Action::Stop);
/// assert!(None::<String>.into_action().unwrap_err().is_usage());
/// # Ok::<_, daemonic::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action",
    note = "pass a `daemonic::Action`, a string, or an `Option` of these, such as `std::env::args().nth(1)`"
)]
pub trait IntoAction: sealed::Sealed {
    /// Reads the action.
    #[allow(clippy::missing_errors_doc, reason = "the trait's documentation describes them")]
    fn into_action(self) -> Result<Action>;

    /// Reads the action with its options, which only an [`Invocation`] has.
    #[allow(clippy::missing_errors_doc, reason = "the trait's documentation describes them")]
    fn into_invocation(self) -> Result<Invocation>
    where
        Self: Sized,
    {
        self.into_action().map(Invocation::from)
    }
}

macro_rules! into_action {
    ($($from:ty: $this:ident => $read:expr;)*) => {$(
        impl sealed::Sealed for $from {}
        #[diagnostic::do_not_recommend]
        impl IntoAction for $from {
            fn into_action(self) -> Result<Action> {
                let $this = self;
                $read
            }
        }
    )*};
}

into_action! {
    Action: action => Ok(action);
    &str: word => word.parse();
    String: word => word.parse();
    &String: word => word.parse();
    &OsStr: word => read(word);
    OsString: word => word.as_os_str().into_action();
    &OsString: word => word.as_os_str().into_action();
}

impl<A: IntoAction> sealed::Sealed for Option<A> {}
impl<A: IntoAction> IntoAction for Option<A> {
    fn into_action(self) -> Result<Action> {
        self.ok_or_else(missing)?.into_action()
    }

    fn into_invocation(self) -> Result<Invocation> {
        self.ok_or_else(missing)?.into_invocation()
    }
}

impl sealed::Sealed for Invocation {}
#[diagnostic::do_not_recommend]
impl IntoAction for Invocation {
    fn into_action(self) -> Result<Action> {
        Ok(self.action)
    }

    fn into_invocation(self) -> Result<Invocation> {
        Ok(self)
    }
}

impl<A: IntoAction> sealed::Sealed for Result<A> {}
#[diagnostic::do_not_recommend]
impl<A: IntoAction> IntoAction for Result<A> {
    fn into_action(self) -> Result<Action> {
        self?.into_action()
    }

    fn into_invocation(self) -> Result<Invocation> {
        self?.into_invocation()
    }
}
