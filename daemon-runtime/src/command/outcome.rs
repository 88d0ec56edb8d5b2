//! The outcome of an action: its message, its exit code.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::time::Duration;

use crate::command::action::Action;
use crate::command::duration::Span;
use crate::command::error::Error;
use crate::command::escaped::Escaped;
use crate::command::exit::Exit;
use crate::command::format::Format;
#[cfg(feature = "cron")]
use crate::command::next_run::NextRun;
use crate::command::report::{Phase, Report};
use crate::command::signal::Signal;
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;

/// The result of a dispatcher and of the actions of [`Daemon`](crate::Daemon).
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Result};
///
/// fn stop_both() -> Result<()> {
///     Daemon::new("result-server").stop()?;
///     Daemon::new("result-worker").stop()?;
///     Ok(())
/// }
///
/// assert!(stop_both().is_ok());
/// ```
pub type Result<T = Outcome, E = Error> = std::result::Result<T, E>;

/// The outcome of an action that did not fail.
///
/// Its [`Display`](fmt::Display) is the message. As the return value of `main` it prints the message to stdout and
/// sets the action's exit code.
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon};
///
/// let outcome = Daemon::new("outcome-example").status()?;
/// assert_eq!(*outcome.answer(), Answer::NotRunning);
/// assert_eq!(outcome.to_string(), "outcome-example: not running");
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    name: String,
    action: Action,
    answer: Answer,
    warning: Option<String>,
    /// The pidfile, if the message names it: the daemon is root's and not the user's own, or one of many.
    pidfile: Option<PathBuf>,
    /// What the daemon has reported about its body and its runs.
    report: Option<Report<'static>>,
    /// The unit by which systemd runs the daemon.
    unit: Option<String>,
    /// The log of a daemon that is running.
    log: Option<PathBuf>,
    /// The command that shows the output in systemd's journal.
    journal: Option<String>,
    /// The next run of a daemon that is running.
    #[cfg(feature = "cron")]
    next_run: Option<NextRun>,
    /// The form in which [`report`] prints this.
    format: Format,
    #[cfg(feature = "json")]
    snapshot: Snapshot,
    /// The lines of the log, which JSON has in its line.
    #[cfg(feature = "json")]
    lines: Option<Vec<String>>,
}

/// The answer of an action, to match on.
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon};
///
/// match Daemon::new("answer-example").status()?.answer() {
///     Answer::Running { pid, .. } => println!("running as {pid}"),
///     Answer::Stale { pidfile } => println!("{} is stale", pidfile.display()),
///     answer => assert_eq!(*answer, Answer::NotRunning),
/// }
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The daemon has been started and is ready.
    Started {
        /// The PID of the daemon.
        pid: u32,
    },
    /// The daemon has ended after the stop signal.
    Stopped {
        /// The PID that the daemon had.
        pid: u32,
    },
    /// SIGKILL has ended the daemon, because it did not exit in time after the stop signal.
    Killed {
        /// The PID that the daemon had.
        pid: u32,
        /// The time that the daemon was given: the key `stop_timeout`.
        after: Duration,
        /// The stop signal after which the daemon did not exit.
        signal: Signal,
    },
    /// The daemon has been stopped, and a new one is ready.
    Restarted {
        /// The PID of the new daemon.
        pid: u32,
    },
    /// The daemon was running already, and is ready.
    AlreadyRunning {
        /// The PID of the daemon.
        pid: u32,
    },
    /// The daemon is running, and its body is not ready yet.
    Starting {
        /// The PID of the daemon.
        pid: u32,
        /// The age of the process in whole seconds, where the system reports it.
        up: Option<Duration>,
    },
    /// The daemon is running, its body has ended, and is about to be started again.
    Waiting {
        /// The PID of the daemon.
        pid: u32,
        /// The time until the body is started again, where the daemon reports it.
        due: Option<Duration>,
    },
    /// The daemon is running.
    Running {
        /// The PID of the daemon.
        pid: u32,
        /// The age of the process in whole seconds, where the system reports it.
        up: Option<Duration>,
    },
    /// The daemon is not running.
    NotRunning,
    /// The daemon is not running, and its pidfile has been left behind.
    Stale {
        /// The path of the pidfile.
        pidfile: PathBuf,
    },
    /// The daemon is not running. It has failed since it was ready, and its pidfile has been left behind with the
    /// reason.
    #[non_exhaustive]
    Failed {
        /// The path of the pidfile.
        pidfile: PathBuf,
        /// How the daemon has ended.
        exit: Exit,
        /// The text of the error or of the panic, if there was one: one line without control characters, at most 400
        /// bytes long.
        message: Option<String>,
        /// The time since then in whole seconds.
        ago: Duration,
    },
    /// The daemon could not be stopped, after [`stop_all`](crate::Daemon::stop_all).
    NotStopped {
        /// The PID of the daemon.
        pid: u32,
        /// The reason, as a whole message.
        reason: String,
    },
    /// The answers about every running daemon of the program, sorted by the paths of their pidfiles.
    All {
        /// The outcome for each daemon.
        daemons: Vec<Outcome>,
    },
    /// The daemon has been sent SIGHUP, and its body has reported no failure to reload.
    Reloaded {
        /// The PID of the daemon.
        pid: u32,
    },
    /// The lines of the log have been written.
    LogShown {
        /// The path of the log.
        log: PathBuf,
    },
    /// The lines of the log have been written, which is in systemd's journal.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    JournalShown {
        /// The name of the unit.
        unit: String,
    },
    /// The times at which the next runs are due.
    #[cfg(feature = "cron")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    #[non_exhaustive]
    NextRuns {
        /// The times, the earliest first. There are fewer than asked for if the expression never comes again.
        runs: Vec<NextRun>,
    },
    /// The daemon has done the run that [`once`](crate::Daemon::once) has asked for.
    #[non_exhaustive]
    Ran {
        /// The PID of the daemon.
        pid: u32,
        /// The exit code of the run.
        code: u8,
        /// The text of the error or of the panic, if there was one.
        message: Option<String>,
    },
    /// The [`check`](crate::Daemon::check) has returned no error.
    CheckPassed,
    /// A systemd unit for the program.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Unit {
        /// The text of the unit file.
        text: String,
    },
    /// The program is installed as a service of systemd, which runs the daemon.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Installed {
        /// The PID of the daemon.
        pid: u32,
        /// The path of the unit file.
        unit: PathBuf,
    },
    /// The service has been stopped and removed.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Uninstalled {
        /// The path that the unit file had.
        unit: PathBuf,
    },
    /// There is no service to remove.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    NotInstalled,
    /// The daemon has run in the foreground, and its body has ended.
    Finished {
        /// The exit code of the body.
        code: u8,
    },
}

impl Answer {
    /// Makes the answer about a daemon that is running, with what it reports about its body.
    pub(crate) fn of_running(pid: u32, up: Option<Duration>, report: Option<&Report<'_>>) -> Self {
        match report.map(|report| report.state) {
            Some(Phase::Starting) => Self::Starting { pid, up },
            Some(Phase::Waiting) => Self::Waiting { pid, due: report.and_then(|report| report.due) },
            Some(Phase::Running | Phase::Stopping) | None => Self::Running { pid, up },
        }
    }
}

impl Outcome {
    pub(crate) fn new(name: &str, action: Action, answer: Answer, warning: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            action,
            answer,
            warning,
            pidfile: None,
            report: None,
            log: None,
            journal: None,
            unit: None,
            #[cfg(feature = "cron")]
            next_run: None,
            format: Format::Text,
            #[cfg(feature = "json")]
            snapshot: Snapshot::default(),
            #[cfg(feature = "json")]
            lines: None,
        }
    }

    /// Adds the pidfile that the message names.
    pub(crate) fn with_pidfile(self, pidfile: Option<PathBuf>) -> Self {
        Self { pidfile, ..self }
    }

    /// Adds what the daemon has reported about its body and its runs.
    pub(crate) fn with_report(self, report: Option<Report<'static>>) -> Self {
        Self { report, ..self }
    }

    /// Adds the log of a daemon that is running.
    pub(crate) fn with_log(self, log: Option<PathBuf>) -> Self {
        Self { log, ..self }
    }

    /// Adds the next run of a daemon that is running.
    #[cfg(feature = "cron")]
    pub(crate) fn with_next_run(self, next_run: Option<NextRun>) -> Self {
        Self { next_run, ..self }
    }

    /// Adds what was seen of the daemon, unless the answer is about its end.
    #[cfg(feature = "json")]
    pub(crate) fn with_snapshot(self, snapshot: Snapshot) -> Self {
        Self { snapshot: snapshot.after(&self.answer), ..self }
    }

    /// Lets a function add to what was seen of the daemon.
    #[cfg(feature = "json")]
    pub(crate) fn seen(self, add: impl FnOnce(Snapshot) -> Snapshot) -> Self {
        Self { snapshot: add(self.snapshot), ..self }
    }

    /// Lets a function add to what was seen of each of many daemons that could not be stopped.
    #[cfg(feature = "json")]
    pub(crate) fn seen_again(mut self, add: impl Fn(Snapshot) -> Snapshot) -> Self {
        if let Answer::All { daemons } = &mut self.answer {
            for daemon in
                daemons.iter_mut().filter(|daemon| matches!(daemon.answer, Answer::NotStopped { .. }))
            {
                daemon.snapshot = add(std::mem::take(&mut daemon.snapshot));
            }
        }
        self
    }

    /// Adds the lines of the log.
    #[cfg(feature = "json")]
    pub(crate) fn with_lines(self, log: &[u8]) -> Self {
        let text = String::from_utf8_lossy(log);
        Self { lines: Some(text.split_terminator('\n').map(str::to_owned).collect()), ..self }
    }

    #[cfg(feature = "json")]
    pub(crate) fn lines(&self) -> Option<&[String]> {
        self.lines.as_deref()
    }

    /// Makes [`report`] print this as JSON.
    #[cfg(feature = "json")]
    pub(crate) fn in_json(self) -> Self {
        Self { format: Format::Json, ..self }
    }

    #[cfg(feature = "json")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    #[cfg(feature = "json")]
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Adds a warning, if there is one.
    #[cfg(feature = "service")]
    pub(crate) fn with_warning(self, warning: Option<String>) -> Self {
        Self { warning: warning.or(self.warning), ..self }
    }

    /// Adds the unit by which systemd runs the daemon.
    #[cfg(feature = "service")]
    pub(crate) fn with_unit(self, unit: Option<String>) -> Self {
        Self { unit, ..self }
    }

    /// Adds the command that shows the daemon's output in systemd's journal.
    #[cfg(feature = "service")]
    pub(crate) fn with_journal(self, journal: Option<String>) -> Self {
        Self { journal, ..self }
    }

    /// Returns the name of the unit that runs the daemon, or that was installed or uninstalled.
    #[cfg(feature = "json")]
    pub(crate) fn unit(&self) -> Option<&str> {
        match &self.answer {
            #[cfg(feature = "service")]
            Answer::Installed { unit, .. } | Answer::Uninstalled { unit } => unit.file_name()?.to_str(),
            _ => self.unit.as_deref(),
        }
    }

    /// Returns the action.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Action, Daemon};
    ///
    /// let outcome = Daemon::new("action-example").dispatch("status", || ())?;
    /// assert_eq!(outcome.action(), Action::Status);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns the answer, to match on.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let outcome = Daemon::new("outcome-answer-example").run(|| Err::<(), _>("no"))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 1 });
    /// # Daemon::new("outcome-answer-example").stop()?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Returns the PID in the message, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("outcome-pid-example");
    /// let mut pid = None;
    /// daemon.run(|| pid = daemon.status().ok().and_then(|outcome| outcome.pid()))?;
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
            | Answer::AlreadyRunning { pid }
            | Answer::Starting { pid, .. }
            | Answer::Waiting { pid, .. }
            | Answer::Running { pid, .. }
            | Answer::NotStopped { pid, .. }
            | Answer::Ran { pid, .. }
            | Answer::Reloaded { pid } => Some(pid),
            #[cfg(feature = "service")]
            Answer::Installed { pid, .. } => Some(pid),
            #[cfg(feature = "service")]
            Answer::Unit { .. }
            | Answer::Uninstalled { .. }
            | Answer::NotInstalled
            | Answer::JournalShown { .. } => None,
            Answer::NotRunning
            | Answer::Stale { .. }
            | Answer::Failed { .. }
            | Answer::All { .. }
            | Answer::LogShown { .. }
            | Answer::CheckPassed
            | Answer::Finished { .. } => None,
            #[cfg(feature = "cron")]
            Answer::NextRuns { .. } => None,
        }
    }

    /// Returns a warning for root about the pidfile's directory, if it is not safe.
    ///
    /// [`report`] prints it to stderr.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let outcome = Daemon::new("warning-example").status()?;
    /// assert_eq!(outcome.warning(), None); // only root can write to /run
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Returns the log of a daemon that is running, after [`status`](crate::Daemon::status): the file that standard
    /// output goes to, or standard error if only that goes to a file.
    ///
    /// [`report`] prints it in a second line. If an installed service has its output in systemd's journal, that line
    /// has the command that shows it, and this returns `None`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// let outcome = Daemon::new("log-example").stdout("/var/log/example.log").status()?;
    /// if let Some(log) = outcome.log() {
    ///     println!("see {}", log.display());
    /// }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Returns the next run of a repeating daemon that is running, after [`status`](crate::Daemon::status).
    ///
    /// With [`cron`](crate::Daemon::cron) it is computed by this process, from its own clock. With
    /// [`every`](crate::Daemon::every) the daemon is asked. [`report`] prints it in a line.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// let outcome = Daemon::new("nightly").cron("30 3 * * *").status()?;
    /// if let Some(run) = outcome.next_run() {
    ///     println!("{run}"); // 2026-11-28 03:30:00 CET (UTC+01:00), in 3h 20m
    /// }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg(feature = "cron")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    #[must_use]
    pub fn next_run(&self) -> Option<&NextRun> {
        self.next_run.as_ref()
    }

    /// Returns the exit code: 0, 1 or 3 for `status`, as the LSB defines them, the body's for `run`, else 0.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     match Daemon::new("example").status() {
    ///         Ok(outcome) => outcome.exit_code(), // nothing is printed
    ///         Err(error) => error.exit_code(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match (&self.answer, self.action) {
            (Answer::Finished { code } | Answer::Ran { code, .. }, _) => *code,
            (Answer::Stale { .. } | Answer::Failed { .. } | Answer::NotStopped { .. }, _) => 1,
            (Answer::NotRunning, Action::Status) => 3,
            (Answer::All { daemons }, Action::Status) if daemons.is_empty() => 3,
            (Answer::All { daemons }, _) => {
                u8::from(daemons.iter().any(|daemon| matches!(daemon.answer, Answer::NotStopped { .. })))
            }
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
            Answer::AlreadyRunning { pid } => ("already running", pid),
            Answer::Starting { pid, .. } => ("starting", pid),
            Answer::Waiting { pid, .. } => ("waiting to respawn", pid),
            Answer::Running { pid, .. } => ("running", pid),
            Answer::Ran { pid, code: 0, .. } => ("has done a run", pid),
            Answer::Ran { pid, code, message } => {
                write!(f, "{}: the run has failed (pid {pid}): exit {code}", self.name)?;
                return message.iter().try_for_each(|message| write!(f, ": {}", Escaped(message)));
            }
            Answer::Reloaded { pid } => ("reloaded", pid),
            Answer::NotRunning => return write!(f, "{}: not running", self.name),
            Answer::All { daemons } if daemons.is_empty() => return write!(f, "{}: not running", self.name),
            Answer::All { daemons } => {
                let lines: Vec<_> = daemons.iter().map(Self::to_string).collect();
                return f.write_str(&lines.join("\n"));
            }
            Answer::NotStopped { reason, .. } => return f.write_str(reason),
            Answer::Stale { pidfile } => {
                return write!(f, "{}: not running (stale pidfile {})", self.name, pidfile.display());
            }
            Answer::Failed { exit, message, ago, .. } => {
                write!(f, "{}: failed {} ago", self.name, Span(*ago))?;
                match exit {
                    Exit::Code(_) => write!(f, " ({exit})")?,
                    Exit::Signal(_) | Exit::OutOfMemory => write!(f, ": {exit}")?,
                }
                return message.iter().try_for_each(|message| write!(f, ": {message}"));
            }
            Answer::CheckPassed => return write!(f, "{}: check passed", self.name),
            #[cfg(feature = "cron")]
            Answer::NextRuns { runs } if runs.is_empty() => return write!(f, "{}: no run is due", self.name),
            #[cfg(feature = "cron")]
            Answer::NextRuns { runs } => {
                let lines: Vec<_> = runs.iter().map(|run| format!("{}: {run}", self.name)).collect();
                return f.write_str(&lines.join("\n"));
            }
            Answer::LogShown { .. } | Answer::Finished { .. } => return Ok(()),
            #[cfg(feature = "service")]
            Answer::JournalShown { .. } => return Ok(()),
            #[cfg(feature = "service")]
            Answer::Unit { text } => return f.write_str(text.trim_end()),
            #[cfg(feature = "service")]
            Answer::Installed { pid, unit } => {
                return write!(f, "{}: installed (pid {pid}; unit {})", self.name, unit.display());
            }
            #[cfg(feature = "service")]
            Answer::Uninstalled { unit } => {
                return write!(f, "{}: uninstalled (unit {})", self.name, unit.display());
            }
            #[cfg(feature = "service")]
            Answer::NotInstalled => return write!(f, "{}: not installed", self.name),
        };
        let is_about_unit =
            matches!(self.answer, Answer::AlreadyRunning { .. }) || self.action == Action::Status;
        let through = if self.unit.is_some() && !is_about_unit { " through systemd" } else { "" };
        write!(f, "{}: {what}{through} (pid {pid}", self.name)?;
        match &self.answer {
            Answer::Killed { after, signal, .. } => {
                self.write_place(f)?;
                write!(f, ": did not exit within {} of {signal}", Span(*after))
            }
            Answer::Running { up, .. } | Answer::Starting { up, .. } => {
                up.iter().try_for_each(|up| write!(f, ", up {}", Span(*up)))?;
                self.report.iter().try_for_each(|report| report.write_body(f))?;
                self.report.iter().try_for_each(|report| report.write_runs(f))?;
                self.write_place(f)
            }
            Answer::Waiting { due, .. } => {
                due.iter().try_for_each(|due| write!(f, ", in {}", seconds_left(*due)))?;
                let last = self.report.as_ref().and_then(|report| report.last.as_ref());
                last.iter().try_for_each(|last| write!(f, "; {last}"))?;
                self.write_place(f)
            }
            _ => self.write_place(f),
        }
    }
}

impl Outcome {
    /// Writes the pidfile and the unit, if the message has them, and the end of the parenthesis.
    fn write_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pidfile.iter().try_for_each(|path| write!(f, "; {}", path.display()))?;
        self.unit.iter().try_for_each(|unit| write!(f, "; unit {unit}"))?;
        f.write_str(")")
    }
}

/// Returns a time that is left in seconds, rounded up.
fn seconds_left(time: Duration) -> Span {
    Span(Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0)))
}

impl Termination for Outcome {
    fn report(self) -> ExitCode {
        self.print();
        self.exit_code()
    }
}

impl Outcome {
    /// Prints the warning, the message, the next run and the log. After `run` and `logs` there is no message, except in
    /// JSON. A closed stdout does not change the exit code.
    fn print(&self) {
        if let Some(warning) = &self.warning {
            let _ = io::stderr().write_all(format!("{}: warning: {warning}\n", self.name).as_bytes());
        }
        match self.format {
            #[cfg(feature = "json")]
            Format::Json => return print_json(&self.to_json()),
            _ if self.is_silent() => {}
            _ => {
                let _ = writeln!(io::stdout(), "{self}");
            }
        }
        #[cfg(feature = "cron")]
        if let Some(run) = &self.next_run {
            let _ = writeln!(io::stdout(), "{}: next run {run}", self.name);
        }
        if let Some(log) = &self.log {
            let _ = writeln!(io::stdout(), "{}: log {}", self.name, Escaped(&log.to_string_lossy()));
        }
        if let Some(journal) = &self.journal {
            let _ = writeln!(io::stdout(), "{}: log in the journal ({journal})", self.name);
        }
    }

    /// Returns whether the action itself has printed all that there is to say.
    fn is_silent(&self) -> bool {
        match self.answer {
            #[cfg(feature = "service")]
            Answer::JournalShown { .. } => true,
            _ => matches!(self.answer, Answer::LogShown { .. } | Answer::Finished { .. }),
        }
    }
}

/// Prints the result of a dispatcher and returns its exit code, for a `main` written by hand.
///
/// An outcome goes to stdout, an error to stderr. After `--json` on the command line, both go to stdout, as a line of
/// JSON; see [`Invocation`](crate::Invocation).
///
/// # Examples
///
/// ```no_run
/// use daemonic::Daemon;
///
/// fn main() -> std::process::ExitCode {
///     let daemon = Daemon::new("example");
///     daemonic::report(daemon.dispatch(std::env::args().nth(1), || println!("one run")))
/// }
/// ```
#[must_use = "return the exit code from `main`"]
pub fn report(result: Result) -> ExitCode {
    match result {
        Ok(outcome) => outcome.report(),
        Err(error) => {
            match error.format() {
                #[cfg(feature = "json")]
                Format::Json => print_json(&error.to_json()),
                // One write, since stderr has no buffer and other processes may write to it too.
                _ => drop(io::stderr().write_all(format!("{error}\n").as_bytes())),
            }
            error.exit_code()
        }
    }
}

/// Prints a line. A closed stdout does not change the exit code.
#[cfg(feature = "json")]
fn print_json(line: &str) {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}
