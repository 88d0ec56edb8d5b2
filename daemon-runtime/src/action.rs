//! The actions, and what can be read as one.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::str::FromStr;

use crate::error::{Error, Kind, Result, list};

/// Names what a dispatcher can be asked to do.
///
/// # Examples
///
/// ```
/// use daemonic::Action;
///
/// assert_eq!("start".parse::<Action>()?, Action::Start);
/// assert_eq!(Action::Reload.to_string(), "reload");
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Starts the daemon in the background and returns once it is ready.
    Start,
    /// Stops the daemon and returns once it is gone.
    Stop,
    /// Stops the daemon if it runs, then starts it.
    Restart,
    /// Tells whether the daemon runs.
    Status,
    /// Makes the daemon reopen its log files.
    Reload,
    /// Runs the daemon in the foreground.
    Run,
}

/// The one table of actions: name, value, and the line that a usage text has for it.
const TABLE: [(&str, Action, &str); 6] = [
    ("start", Action::Start, "start in the background; return once it is ready"),
    ("stop", Action::Stop, "stop it; return once it is gone"),
    ("restart", Action::Restart, "stop it if it runs, then start it"),
    ("status", Action::Status, "tell whether it runs"),
    ("reload", Action::Reload, "make it reopen its log files"),
    ("run", Action::Run, "run it in the foreground"),
];

impl Action {
    /// Lists every action, in the order of a usage text.
    pub const ALL: &'static [Self] =
        &[Self::Start, Self::Stop, Self::Restart, Self::Status, Self::Reload, Self::Run];

    /// Gives the word that names the action on a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TABLE.iter().find(|row| row.1 == self).map_or("", |row| row.0)
    }

    /// Writes the usage text of a program whose first argument is an action.
    pub(crate) fn usage(program: &str) -> String {
        let mut text = format!("usage: {program} ACTION\n\n");
        let actions = TABLE.iter().map(|(name, _, meaning)| (*name, *meaning));
        for (name, meaning) in actions.chain([("help", "print this text")]) {
            let _ = writeln!(text, "  {name:<8} {meaning}");
        }
        text
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        TABLE.iter().find(|row| row.0 == text).map(|row| row.1).ok_or_else(|| unknown(text))
    }
}

fn unknown(text: &str) -> Error {
    Error::new(Kind::Usage, format_args!("unknown action `{text}`; use one of {}", names()))
}

fn missing() -> Error {
    Error::new(Kind::Usage, format_args!("missing action; use one of {}", names()))
}

fn names() -> String {
    list(&mut TABLE.iter().map(|row| row.0))
}

mod sealed {
    pub trait Sealed {}
}

/// Can be read as an [`Action`]: one itself, text, or an `Option` of these, as `args().nth(1)` gives.
///
/// # Errors
///
/// [`into_action`](IntoAction::into_action) fails if there is no action or an unknown one; the error
/// lists the valid ones, and [`Error::is_usage`] is true of it.
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
    #[allow(clippy::missing_errors_doc, reason = "the trait's docs say it for all")]
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
    &str: text => text.parse();
    String: text => text.parse();
    &String: text => text.parse();
    &OsStr: text => text.to_str().ok_or_else(|| unknown(&text.to_string_lossy()))?.parse();
    OsString: text => text.as_os_str().into_action();
    &OsString: text => text.as_os_str().into_action();
}

impl<A: IntoAction> sealed::Sealed for Option<A> {}
impl<A: IntoAction> IntoAction for Option<A> {
    fn into_action(self) -> Result<Action> {
        self.ok_or_else(missing)?.into_action()
    }
}
