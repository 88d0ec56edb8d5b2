//! The command line of this process, as the one that runs the daemon in the foreground.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

use crate::command::action::Action;
use crate::command::error::{Error, Result};

/// The options that stand before the action and say how this crate answers.
const OWN_OPTIONS: [&str; 2] = ["--json", "--all"];

/// Returns the absolute path of this program.
///
/// A path that the caller has used is kept, because it may be a link that always leads to the newest version.
pub(crate) fn program() -> Result<PathBuf> {
    let own = env::current_exe()
        .map_err(|error| Error::io(format_args!("cannot find out the path of this program"), &error))?;
    let called = env::args_os().next().and_then(|word| called_as(&word));
    let id = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let Some(own_id) = id(&own) else {
        return Err(Error::failed(format_args!(
            "the program {} was replaced or removed meanwhile; run it again",
            own.display()
        )));
    };
    Ok(called.filter(|path| id(path) == Some(own_id)).unwrap_or(own))
}

/// Finds a program by the word that called it, as a shell does.
fn called_as(word: &OsStr) -> Option<PathBuf> {
    let word = Path::new(word);
    if word.components().count() > 1 {
        return path::absolute(word).ok();
    }
    let directories = env::var_os("PATH")?;
    let places = env::split_paths(&directories).map(|directory| directory.join(word));
    places.filter(|path| path.is_absolute()).find(|path| path.is_file())
}

/// Returns the arguments of this process, with `run` in place of the action that asks for a unit. Without such an
/// action, `run` is the only argument.
pub(crate) fn arguments() -> Vec<OsString> {
    replace(&env::args_os().skip(1).collect::<Vec<_>>())
}

/// Returns whether `--timer` is the argument after `unit`, for a program that passes only the word of the action to
/// this crate.
pub(crate) fn asks_for_timer() -> bool {
    let words: Vec<_> = env::args_os().skip(1).collect();
    words.windows(2).any(|pair| pair[0] == Action::Unit.as_str() && pair[1] == "--timer")
}

/// Finds an argument, or the value in one such as `--config=FILE`, that is the relative path of a file.
///
/// A plain word without a dot or a slash does not count as a path, even if a file has that name.
pub(crate) fn relative_path(arguments: &[OsString]) -> Option<&Path> {
    let is_relative = |path: &&Path| {
        let looks_like_path = path.as_os_str().as_bytes().iter().any(|byte| b"./".contains(byte));
        path.is_relative() && looks_like_path && path.exists()
    };
    arguments.iter().map(|word| value(word)).find(is_relative)
}

/// Returns the value in an option such as `--config=FILE`, or else the word itself.
fn value(word: &OsStr) -> &Path {
    let bytes = word.as_bytes();
    let sign = bytes.iter().position(|byte| *byte == b'=').filter(|_| bytes.starts_with(b"-"));
    Path::new(OsStr::from_bytes(&bytes[sign.map_or(0, |at| at + 1)..]))
}

fn replace(arguments: &[OsString]) -> Vec<OsString> {
    let is_action =
        |word: &OsString| [Action::Unit, Action::Install].iter().any(|action| word == action.as_str());
    let Some(at) = arguments.iter().position(is_action) else {
        return vec![Action::Run.as_str().into()];
    };
    let is_own = |word: &&OsString| OWN_OPTIONS.iter().any(|option| word == option);
    let mut words: Vec<_> = arguments[..at].iter().filter(|word| !is_own(word)).cloned().collect();
    words.push(Action::Run.as_str().into());
    let mut rest = &arguments[at + 1..];
    if arguments[at] == Action::Unit.as_str() {
        while let Some((_, others)) = rest.split_first().filter(|(word, _)| *word == "--timer") {
            rest = others;
        }
    }
    words.extend_from_slice(rest.strip_prefix(&[OsString::from("--")]).unwrap_or(rest));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_becomes_run_and_the_bodys_own_arguments_stay() {
        for (line, expected) in [
            ("unit", "run"),
            ("--json unit", "run"),
            ("--config a.toml unit", "--config a.toml run"),
            ("install localhost:8080 unit", "run localhost:8080 unit"),
            ("unit --timer alpha", "run alpha"),
            ("unit -- --port 8080", "run --port 8080"),
            ("install -- --port 8080", "run --port 8080"),
            ("service print", "run"),
        ] {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(replace(&words).join(OsStr::new(" ")), expected, "{line}");
        }
    }
}
