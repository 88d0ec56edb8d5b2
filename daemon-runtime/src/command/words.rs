//! Reading an action from a word of the command line.

use std::ffi::OsStr;
use std::str::FromStr;

use crate::command::action::Action;
use crate::command::error::{Error, Result, list};

impl FromStr for Action {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.iter().find(|action| action.as_str() == word).copied().ok_or_else(|| unknown(word))
    }
}

/// Reads the word of an action.
pub(crate) fn read(word: &OsStr) -> Result<Action> {
    word.to_str().ok_or_else(|| unknown(&word.to_string_lossy()))?.parse()
}

fn unknown(word: &str) -> Error {
    Error::usage(format_args!("unknown action `{word}`; use one of {}", words()))
}

/// Refuses a command line without an action.
pub(crate) fn missing() -> Error {
    Error::usage(format_args!("missing action; use one of {}", words()))
}

fn words() -> String {
    list(Action::ALL.iter().map(|action| action.as_str()))
}
