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

/// The actions of the feature `service`.
const OF_SERVICE: [&str; 3] = ["unit", "install", "uninstall"];

fn unknown(word: &str) -> Error {
    if !cfg!(feature = "service") && OF_SERVICE.contains(&word) {
        return Error::usage(format_args!("`{word}` needs the feature `service` of the crate `daemonic`"));
    }
    Error::usage(format_args!("unknown action `{word}`; use one of {}", words()))
}

/// Refuses a command line without an action.
pub(crate) fn missing() -> Error {
    Error::usage(format_args!("missing action; use one of {}", words()))
}

fn words() -> String {
    list(Action::ALL.iter().map(|action| action.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_of_a_feature_names_the_feature() {
        for word in OF_SERVICE {
            let action = word.parse::<Action>();
            if cfg!(feature = "service") {
                assert_eq!(action.unwrap().as_str(), word);
            } else {
                let text = format!("`{word}` needs the feature `service` of the crate `daemonic`");
                assert_eq!(action.unwrap_err().to_string(), text);
            }
        }
        let error = "units".parse::<Action>().unwrap_err().to_string();
        assert!(error.starts_with("unknown action `units`; use one of start, "), "{error}");
    }
}
