//! Reading an action from the words of a command line.

use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use crate::command::action::Action;
use crate::command::error::{Error, Result, list};

impl FromStr for Action {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.iter().find(|action| action.as_str() == word).copied().ok_or_else(|| unknown(word))
    }
}

fn unknown(word: &str) -> Error {
    Error::usage(format_args!("unknown action `{word}`; use one of {}", words()))
}

fn missing() -> Error {
    Error::usage(format_args!("missing action; use one of {}", words()))
}

fn words() -> String {
    list(Action::ALL.iter().map(|action| action.as_str()))
}

mod sealed {
    pub trait Sealed {}
}

/// A value that can be read as an [`Action`]: an action, text, or an `Option` of these.
///
/// The `Option` is for what `std::env::args().nth(1)` returns.
///
/// # Errors
///
/// [`into_action`](IntoAction::into_action) fails if there is no action or an unknown one. The error lists the valid
/// ones, and [`Error::is_usage`] is true of it.
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
    &OsStr: word => word.to_str().ok_or_else(|| unknown(&word.to_string_lossy()))?.parse();
    OsString: word => word.as_os_str().into_action();
    &OsString: word => word.as_os_str().into_action();
}

impl<A: IntoAction> sealed::Sealed for Option<A> {}
impl<A: IntoAction> IntoAction for Option<A> {
    fn into_action(self) -> Result<Action> {
        self.ok_or_else(missing)?.into_action()
    }
}
