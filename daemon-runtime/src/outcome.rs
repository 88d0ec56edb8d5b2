//! What an action came to, its message and its exit code.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use crate::action::Action;
use crate::error::Result;
use crate::signals::Signal;
use crate::span::Span;

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
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon};
///
/// match Daemon::new("example").pidfile("/tmp/answer-example.pid").status()?.answer() {
///     Answer::Running { pid, .. } => println!("it runs as {pid}"),
///     Answer::Stale { pidfile } => println!("it has left {} behind", pidfile.display()),
///     answer => assert_eq!(*answer, Answer::NotRunning),
/// }
/// # Ok::<_, daemonic::Error>(())
/// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Action, Daemon};
    ///
    /// let outcome = Daemon::new("example").pidfile("/tmp/action-example.pid").dispatch("status", || ())?;
    /// assert_eq!(outcome.action(), Action::Status);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Gives the answer, to match on.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let outcome = Daemon::new("example").pidfile("/tmp/outcome-answer-example.pid").run(|| Err::<(), _>("no"))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 1 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Gives the PID that the message names, if it names one.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/outcome-pid-example.pid");
    /// let mut pid = None;
    /// daemon.clone().run(|| pid = daemon.clone().status().ok().and_then(|outcome| outcome.pid()))?;
    /// assert_eq!(pid, Some(std::process::id()));
    /// assert_eq!(daemon.status()?.pid(), None);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let outcome = Daemon::new("example").pidfile("/tmp/warning-example.pid").status()?;
    /// assert_eq!(outcome.warning(), None); // all may write to /tmp, but not replace what isn't theirs
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Gives the exit code of the contract: for `status` 0, 1 or 3 as in the LSB, for `run` the
    /// body's own, else 0.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     match Daemon::new("example").pidfile("/tmp/example.pid").status() {
    ///         Ok(outcome) => outcome.exit_code(), // nothing is printed
    ///         Err(error) => error.exit_code(),
    ///     }
    /// }
    /// ```
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
        let (what, pid) = match &self.answer {
            Answer::Started { pid } => ("started", pid),
            Answer::Stopped { pid } => ("stopped", pid),
            Answer::Killed { pid, .. } => ("killed", pid),
            Answer::Restarted { pid } => ("restarted", pid),
            Answer::Running { pid, .. } => ("running", pid),
            Answer::Reloaded { pid } => ("reloaded", pid),
            Answer::NotRunning => return write!(f, "{}: not running", self.name),
            Answer::Stale { pidfile } => {
                return write!(f, "{}: not running (stale pidfile {})", self.name, pidfile.display());
            }
            Answer::Finished { .. } => return Ok(()),
        };
        write!(f, "{}: {what} (pid {pid}", self.name)?;
        match &self.answer {
            Answer::Killed { after, signal, .. } => {
                write!(f, "), still running {} after {signal}", Span(*after))
            }
            Answer::Running { up: Some(up), .. } => write!(f, ", up {})", Span(*up)),
            _ => f.write_str(")"),
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
