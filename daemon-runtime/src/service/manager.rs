//! Calls of `systemctl`, by which a program asks systemd about its unit or changes it.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use crate::command::error::{Error, Result};
use crate::unit_file::installed::{Scope, systemd_runs};

/// The systemd of one scope.
#[derive(Clone, Copy)]
pub(crate) struct Manager(pub(crate) Scope);

/// Returns the version of the installed systemd, if there is one.
pub(crate) fn version() -> Option<u32> {
    let output = Command::new("systemctl").arg("--version").stderr(Stdio::null()).output().ok()?;
    read_version(&String::from_utf8_lossy(&output.stdout))
}

/// Reads the second word, such as `252` or `257~rc2`.
fn read_version(text: &str) -> Option<u32> {
    let word = text.strip_prefix("systemd ")?.split_ascii_whitespace().next()?;
    word.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

impl Manager {
    /// Returns the systemd of a scope, which must run this machine.
    pub(crate) fn require(scope: Scope) -> Result<Self> {
        if systemd_runs() {
            return Ok(Self(scope));
        }
        Err(Error::failed(format_args!(
            "systemd does not run this machine; `unit` prints the unit for one where it does"
        )))
    }

    /// Runs `systemctl`, which must succeed.
    pub(crate) fn call(self, words: &[&str]) -> Result<()> {
        let output = self.output(words)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let reason = if lines.is_empty() { output.status.to_string() } else { lines.join(" ") };
        let line = self.words(words).collect::<Vec<_>>().join(" ");
        Err(Error::failed(format_args!("`systemctl {line}`: {reason}")))
    }

    /// Returns a property of a unit.
    pub(crate) fn property(self, unit: &str, property: &str) -> Result<String> {
        let output = self.output(&["show", "--value", "--property", property, unit])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn output(self, words: &[&str]) -> Result<Output> {
        let command = self.words(words).map(OsStr::new);
        Command::new("systemctl").args(command).stdin(Stdio::null()).output().map_err(|error| {
            match error.kind() {
                ErrorKind::NotFound => Error::failed(format_args!("there is no `systemctl` in PATH")),
                _ => Error::io(format_args!("cannot run `systemctl`"), &error),
            }
        })
    }

    fn words<'a>(self, words: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        let scope = match self.0 {
            Scope::System => None,
            Scope::User => Some("--user"),
        };
        scope.into_iter().chain(words.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::read_version;

    #[test]
    fn the_version_is_the_number_after_the_name() {
        assert_eq!(read_version("systemd 252 (252.38-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(read_version("systemd 257~rc2 (257~rc2-3)\n"), Some(257));
        assert_eq!(read_version("elogind 252"), None);
    }
}
