//! The signals that can stop a daemon.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal;

use crate::command::error::{Error, Result, list};

/// A signal that stops a daemon.
///
/// SIGHUP, SIGKILL and SIGSTOP are not among them: SIGHUP means reload, and the other two cannot be caught.
///
/// # Examples
///
/// ```
/// use daemonic::Signal;
///
/// assert_eq!("SIGUSR1".parse::<Signal>()?, Signal::SIGUSR1);
/// assert_eq!("TERM".parse::<Signal>()?, Signal::SIGTERM);
/// assert_eq!(Signal::SIGTERM.to_string(), "SIGTERM");
/// assert!("SIGKILL".parse::<Signal>().is_err());
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(signal::Signal);

macro_rules! signals {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $name:ident)*) => {
        impl Signal {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? pub const $name: Self = Self(signal::Signal::$name);)*
        }

        const SIGNALS: &[Signal] = &[$($(#[cfg($cfg)])? Signal::$name),*];
    };
}

signals! {
    /// Terminate: the default.
    SIGTERM
    /// Interrupt, as Ctrl-C sends it.
    SIGINT
    /// Quit, as Ctrl-\ sends it.
    SIGQUIT
    /// The first signal without a meaning of its own.
    SIGUSR1
    /// The second signal without a meaning of its own.
    SIGUSR2
    /// The signal of a timer.
    SIGALRM
    /// A change of the terminal's size; some servers use it for a graceful stop.
    SIGWINCH
    /// A power failure. Only on Linux.
    #[cfg(target_os = "linux")]
    SIGPWR
}

impl Signal {
    pub(crate) fn raw(self) -> signal::Signal {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let short = word.strip_prefix("SIG").unwrap_or(word);
        let known = SIGNALS.iter().find(|signal| signal.0.as_str().strip_prefix("SIG") == Some(short));
        known.copied().ok_or_else(|| match short {
            "HUP" => Error::failed(format_args!("SIGHUP cannot stop a daemon: it means reload")),
            "KILL" | "STOP" => {
                Error::failed(format_args!("SIG{short} cannot stop a daemon: it cannot be caught"))
            }
            _ => {
                let names = list(SIGNALS.iter().map(|signal| signal.0.as_str()));
                Error::failed(format_args!("unknown signal `{word}`; use one of {names}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_cannot_stop_a_daemon_is_refused_with_the_reason() {
        for (name, reason) in
            [("HUP", "means reload"), ("KILL", "cannot be caught"), ("STOP", "cannot be caught")]
        {
            for word in [name.to_owned(), format!("SIG{name}")] {
                let message = word.parse::<Signal>().unwrap_err().to_string();
                assert!(
                    message.starts_with(&format!("SIG{name} ")) && message.ends_with(reason),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_signal_is_refused_with_the_known_ones() {
        let message = "SIGFOO".parse::<Signal>().unwrap_err().to_string();
        assert!(message.contains("`SIGFOO`") && message.contains("SIGTERM, SIGINT"), "{message}");
    }
}
