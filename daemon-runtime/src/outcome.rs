//! What an action came to, its message and its exit code.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use crate::action::Action;
use crate::error::Result;
use crate::signals::Signal;

/// Says what an action came to.
///
/// Its [`Display`](fmt::Display) is the message; as the return value of `main` it prints that to
/// stdout and has the action's exit code.
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon};
///
/// let outcome = Daemon::new("example").pidfile("/tmp/no-such-daemon.pid").status()?;
/// assert_eq!(*outcome.answer(), Answer::NotRunning);
/// assert_eq!(outcome.to_string(), "example: not running");
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    name: String,
    action: Action,
    answer: Answer,
    warning: Option<String>,
}

/// Tells the answers of all actions apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The daemon has been started and is ready.
    Started {
        /// Its process.
        pid: u32,
    },
    /// The daemon has ended after the stop signal.
    Stopped {
        /// The process that it was.
        pid: u32,
    },
    /// The daemon has ended by SIGKILL, because it was still there some time after the stop signal.
    Killed {
        /// The process that it was.
        pid: u32,
        /// How long it was given.
        after: Duration,
        /// The stop signal that it ignored.
        signal: Signal,
    },
    /// The daemon has been stopped, and a new one is ready.
    Restarted {
        /// The new one's process.
        pid: u32,
    },
    /// The daemon runs.
    Running {
        /// Its process.
        pid: u32,
        /// The age of the process in whole seconds, where the system tells it.
        up: Option<Duration>,
    },
    /// The daemon doesn't run.
    NotRunning,
    /// The daemon doesn't run, and a pidfile has been left behind.
    Stale {
        /// The file.
        pidfile: PathBuf,
    },
    /// The daemon has been sent SIGHUP.
    Reloaded {
        /// Its process.
        pid: u32,
    },
    /// The daemon has run in the foreground and come to its end.
    Finished {
        /// The body's own exit code.
        code: u8,
    },
}

impl Outcome {
    pub(crate) fn new(name: &str, action: Action, answer: Answer, warning: Option<String>) -> Self {
        Self { name: name.to_owned(), action, answer, warning }
    }

    /// Gives the action that was asked for.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Gives the answer, to match on.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Gives the PID that the message names, if it names one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.answer {
            Answer::Started { pid }
            | Answer::Stopped { pid }
            | Answer::Killed { pid, .. }
            | Answer::Restarted { pid }
            | Answer::Running { pid, .. }
            | Answer::Reloaded { pid } => Some(pid),
            Answer::NotRunning | Answer::Stale { .. } | Answer::Finished { .. } => None,
        }
    }

    /// Gives what root should know about the pidfile's folder, if anything; it goes to stderr.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Gives the exit code of the contract: for `status` 0, 1 or 3 as in the LSB, for `run` the
    /// body's own, else 0.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match (&self.answer, self.action) {
            (Answer::Finished { code }, _) => *code,
            (Answer::Stale { .. }, _) => 1,
            (Answer::NotRunning, Action::Status) => 3,
            _ => 0,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.answer {
            Answer::Started { pid } => write!(f, "{name}: started (pid {pid})"),
            Answer::Stopped { pid } => write!(f, "{name}: stopped (pid {pid})"),
            Answer::Killed { pid, after, signal } => {
                write!(f, "{name}: killed (pid {pid}), still running {after:?} after {signal}")
            }
            Answer::Restarted { pid } => write!(f, "{name}: restarted (pid {pid})"),
            Answer::Running { pid, up: None } => write!(f, "{name}: running (pid {pid})"),
            Answer::Running { pid, up: Some(up) } => {
                write!(f, "{name}: running (pid {pid}, up {})", Age(*up))
            }
            Answer::NotRunning => write!(f, "{name}: not running"),
            Answer::Stale { pidfile } => {
                write!(f, "{name}: not running (stale pidfile {})", pidfile.display())
            }
            Answer::Reloaded { pid } => write!(f, "{name}: reloaded (pid {pid})"),
            Answer::Finished { .. } => Ok(()),
        }
    }
}

impl Termination for Outcome {
    fn report(self) -> ExitCode {
        self.print();
        self.exit_code()
    }
}

impl Outcome {
    /// Prints the message; `run` has none. A closed stdout is no reason to change the exit code.
    fn print(&self) {
        if let Some(warning) = &self.warning {
            let _ = io::stderr().write_all(format!("{}: warning: {warning}\n", self.name).as_bytes());
        }
        if !matches!(self.answer, Answer::Finished { .. }) {
            let _ = writeln!(io::stdout(), "{self}");
        }
    }
}

/// Prints what a dispatcher returned and gives the exit code: the whole command line of a
/// hand-written `main`.
///
/// An outcome goes to stdout, an error to stderr.
///
/// # Examples
///
/// ```no_run
/// use daemonic::Daemon;
///
/// fn main() -> std::process::ExitCode {
///     let daemon = Daemon::new("example").pidfile("/tmp/example.pid");
///     daemonic::report(daemon.dispatch(std::env::args().nth(1), || println!("one run")))
/// }
/// ```
#[must_use = "it is what `main` returns"]
pub fn report(result: Result) -> ExitCode {
    match result {
        Ok(outcome) => outcome.report(),
        Err(error) => {
            // In one piece, since stderr isn't buffered and others may be writing too.
            let _ = io::stderr().write_all(format!("{error}\n").as_bytes());
            error.exit_code()
        }
    }
}

/// Shows an age as `3m 12s`: whole seconds, and no unit that is zero.
struct Age(Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds == 0 {
            return f.write_str("0s");
        }
        let units = [
            (seconds / 86_400, "d"),
            (seconds / 3_600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ];
        let mut gap = "";
        for (count, unit) in units.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{gap}{count}{unit}")?;
            gap = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_whole_seconds_and_no_empty_units() {
        let shown = |seconds| Age(Duration::from_secs(seconds)).to_string();
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(192), "3m 12s");
        assert_eq!(shown(3_600), "1h");
        assert_eq!(shown(90_061), "1d 1h 1m 1s");
    }
}
