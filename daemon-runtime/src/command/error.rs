//! The reason why an action failed.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::command::action::Action;
use crate::command::format::Format;
use crate::command::path::SystemPath;
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;
use crate::sys::process;

/// The result of a fallible step.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The reason why an action failed, with what to do about it if that is not obvious.
///
/// Its [`Display`](fmt::Display) is the whole message and begins with the daemon's name. Its [`Debug`] reads the same,
/// because `fn main() -> daemonic::Result` prints that.
///
/// # Examples
///
/// ```
/// let error = daemonic::Daemon::new("example").pidfile("/run").status().unwrap_err();
/// assert!(error.is_unknown());
/// assert_eq!(error.to_string(), "example: unknown: pidfile /run is a directory, not a regular file");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    name: String,
    action: Option<Action>,
    kind: Kind,
    text: String,
    source: Option<io::Error>,
    /// The form in which [`report`](crate::report) prints this.
    format: Format,
    #[cfg(feature = "json")]
    snapshot: Snapshot,
}

/// The kind of a failure, which decides the words around the text and the exit code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line is wrong, or the action needs a key that the daemon does not have.
    Usage,
    /// A daemon with this PID is running already.
    AlreadyRunning(Pid),
    /// There is no daemon to reload.
    NotRunning,
    /// `EACCES` or `EPERM`.
    PermissionDenied,
    /// The kernel cannot name the lock's holder.
    HolderUnknown,
    /// Another program holds the default pidfile.
    OtherProgram,
    /// A daemon that runs is not ready in time.
    NotReady,
    /// Everything else.
    Failed,
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: Kind, text: fmt::Arguments<'_>) -> Self {
        let text = text.to_string();
        Self(Box::new(Inner {
            name: String::new(),
            action: None,
            kind,
            text,
            source: None,
            format: Format::Text,
            #[cfg(feature = "json")]
            snapshot: Snapshot::default(),
        }))
    }

    /// Makes an error about the command line.
    pub(crate) fn usage(text: fmt::Arguments<'_>) -> Self {
        Self::new(Kind::Usage, text)
    }

    /// Makes an error with a reason of our own.
    pub(crate) fn failed(text: fmt::Arguments<'_>) -> Self {
        Self::new(Kind::Failed, text)
    }

    /// Makes an error about an attempt that the system refused, such as `cannot open pidfile /run/x.pid`.
    #[cold]
    pub(crate) fn os(text: fmt::Arguments<'_>, errno: Errno) -> Self {
        let kind = match errno {
            Errno::EACCES | Errno::EPERM => Kind::PermissionDenied,
            _ => Kind::Failed,
        };
        let mut error = Self::new(kind, text);
        error.0.source = Some(errno.into());
        error
    }

    /// Does the same with an error of the standard library.
    #[cold]
    pub(crate) fn io(text: fmt::Arguments<'_>, error: &io::Error) -> Self {
        Self::os(text, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }

    /// Makes an error about a file that cannot be opened, with a hint if its directory is missing.
    pub(crate) fn cannot_open(what: &str, path: &SystemPath, errno: Errno) -> Self {
        let parent = path.as_path().parent();
        let missing = parent.filter(|directory| errno == Errno::ENOENT && !directory.exists());
        let repair = missing.map(|directory| format!("; make the directory {} first", directory.display()));
        Self::os(format_args!("cannot open {what} {path}{}", repair.unwrap_or_default()), errno)
    }

    /// Refuses a start, because a daemon is running already.
    pub(crate) fn already_running(pid: Pid) -> Self {
        Self::new(Kind::AlreadyRunning(pid), format_args!(""))
    }

    /// Refuses a reload, because there is no daemon.
    pub(crate) fn not_running() -> Self {
        Self::new(Kind::NotRunning, format_args!(""))
    }

    /// Reports a running daemon that is not ready in time, with the PID in the text.
    pub(crate) fn not_ready(text: fmt::Arguments<'_>) -> Self {
        Self::new(Kind::NotReady, text)
    }

    /// Reports a lock whose holder `F_GETLK` cannot name.
    pub(crate) fn holder_unknown(pidfile: &SystemPath) -> Self {
        Self::new(
            Kind::HolderUnknown,
            format_args!(
                "{pidfile} is locked by a process that the kernel cannot name; perhaps the holder is in another PID \
                 namespace or container, or on another host"
            ),
        )
    }

    /// Refuses a default pidfile that a daemon of another program holds.
    pub(crate) fn other_program(pidfile: &SystemPath, program: &Path, pid: Pid) -> Self {
        let program = program.display();
        Self::new(
            Kind::OtherProgram,
            format_args!(
                "{pidfile} is held by another program, {program} (pid {pid}); give `name` or `pidfile`"
            ),
        )
    }

    /// Refuses an ordinary user an action that only root may carry out on root's daemon.
    pub(crate) fn daemon_of_root(pidfile: &SystemPath, pid: Pid) -> Self {
        Self::new(
            Kind::PermissionDenied,
            format_args!(
                "the daemon is root's (pid {pid}), with the pidfile {pidfile}; only root can do this"
            ),
        )
    }

    /// Adds the daemon's name and the action, unless an earlier step has named another action.
    pub(crate) fn during(mut self, name: &str, action: Action) -> Self {
        name.clone_into(&mut self.0.name);
        self.0.action.get_or_insert(action);
        self
    }

    /// Adds the daemon's name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.name);
        self
    }

    /// Makes [`report`](crate::report) print this as JSON, with what was seen of the daemon.
    #[cfg(feature = "json")]
    pub(crate) fn in_json(mut self, snapshot: Snapshot) -> Self {
        self.0.format = Format::Json;
        self.0.snapshot = snapshot.after_failure(self.0.kind, self.0.action);
        self
    }

    /// Makes [`report`](crate::report) print this in a format, with nothing about the daemon.
    pub(crate) fn in_format(mut self, format: Format) -> Self {
        self.0.format = format;
        self
    }

    pub(crate) fn format(&self) -> Format {
        self.0.format
    }

    #[cfg(feature = "json")]
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    #[cfg(feature = "json")]
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Returns whether a daemon holds the pidfile, this one or another program's.
    pub(crate) fn is_held_by_daemon(&self) -> bool {
        matches!(self.0.kind, Kind::AlreadyRunning(_) | Kind::OtherProgram)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the system's error number, if the system refused something.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.0.source.as_ref().and_then(io::Error::raw_os_error)
    }

    /// Returns whether the command line was wrong: the action is missing or unknown, an option is wrong, or the action
    /// needs a key that the daemon does not have.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let error = Daemon::new("example").dispatch("strat", || ()).unwrap_err();
    /// assert!(error.is_usage());
    /// ```
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.0.kind == Kind::Usage
    }

    /// Returns whether a start was refused because the daemon is running already.
    ///
    /// If another program holds the default pidfile, it is not this daemon that is running, and this is false.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("already-running-example");
    /// let mut second = None;
    /// daemon.run(|| second = daemon.run(|| ()).err())?;
    /// assert!(second.is_some_and(|error| error.is_already_running()));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(self.0.kind, Kind::AlreadyRunning(_))
    }

    /// Returns whether there was no daemon to reload.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let error = Daemon::new("not-running-example").reload().unwrap_err();
    /// assert!(error.is_not_running());
    /// ```
    #[must_use]
    pub fn is_not_running(&self) -> bool {
        self.0.kind == Kind::NotRunning
    }

    /// Returns whether the system refused for lack of permission (`EACCES`, `EPERM`).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// let result = Daemon::new("example").user("nobody").start(|| std::thread::park());
    /// if result.is_err_and(|error| error.is_permission_denied()) {
    ///     eprintln!("only root can do this");
    /// }
    /// ```
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.0.kind == Kind::PermissionDenied
    }

    /// Returns whether the action could not find out if the daemon is running; the message then says `unknown: `.
    ///
    /// Either the kernel cannot name the process that locks the pidfile, for example because it is in another
    /// container, or `status` cannot examine the pidfile. An unknown action is [`is_usage`](Error::is_usage) instead.
    /// If another program holds the default pidfile, that is known, and this is false.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let error = Daemon::new("example").pidfile("/run").status().unwrap_err();
    /// assert!(error.to_string().contains("unknown: pidfile /run is a directory"));
    /// assert!(error.is_unknown());
    /// ```
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self.0.kind {
            Kind::HolderUnknown => true,
            Kind::Failed => self.0.action == Some(Action::Status),
            Kind::Usage
            | Kind::AlreadyRunning(_)
            | Kind::NotRunning
            | Kind::PermissionDenied
            | Kind::OtherProgram
            | Kind::NotReady => false,
        }
    }

    /// Returns the PID of the daemon that is running already, if that is the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("error-pid-example");
    /// let mut second = None;
    /// daemon.run(|| second = daemon.run(|| ()).err())?;
    /// assert_eq!(second.and_then(|error| error.pid()), Some(std::process::id()));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.0.kind {
            Kind::AlreadyRunning(pid) => Some(process::number(pid)),
            _ => None,
        }
    }

    /// Returns the exit code: 2 for a wrong command line ([`is_usage`](Error::is_usage)), 4 for a denied permission and
    /// for any other failure of `status`, else 1.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     match Daemon::new("example").reload() {
    ///         Ok(_) => ExitCode::SUCCESS,
    ///         Err(error) => error.exit_code(), // nothing is printed
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match (self.0.kind, self.0.action) {
            (Kind::Usage, _) => 2,
            (Kind::PermissionDenied, _) | (_, Some(Action::Status)) => 4,
            _ => 1,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, action, kind, text, source, .. } = &*self.0;
        if !name.is_empty() {
            write!(f, "{name}: ")?;
        }
        match (kind, action) {
            (Kind::Usage | Kind::OtherProgram | Kind::NotReady, _) | (Kind::Failed, None) => {}
            (Kind::AlreadyRunning(pid), _) => write!(f, "already running (pid {pid})")?,
            (Kind::NotRunning, _) => f.write_str("not running")?,
            (Kind::PermissionDenied, _) => f.write_str("permission denied: ")?,
            (Kind::HolderUnknown, _) | (Kind::Failed, Some(Action::Status)) => f.write_str("unknown: ")?,
            (Kind::Failed, Some(Action::Stop)) => f.write_str("failed to stop: ")?,
            (Kind::Failed, Some(Action::Reload)) => f.write_str("failed to reload: ")?,
            (Kind::Failed, Some(Action::Logs)) => f.write_str("failed to show the log: ")?,
            (Kind::Failed, Some(Action::Once)) => f.write_str("failed to run: ")?,
            (Kind::Failed, Some(Action::Check)) => f.write_str("check failed: ")?,
            #[cfg(feature = "cron")]
            (Kind::Failed, Some(Action::Next)) => f.write_str("failed to list the next runs: ")?,
            #[cfg(feature = "service")]
            (Kind::Failed, Some(Action::Unit)) => f.write_str("failed to make a unit: ")?,
            #[cfg(feature = "service")]
            (Kind::Failed, Some(Action::Install)) => f.write_str("failed to install: ")?,
            #[cfg(feature = "service")]
            (Kind::Failed, Some(Action::Uninstall)) => f.write_str("failed to uninstall: ")?,
            (Kind::Failed, Some(Action::Start | Action::Restart | Action::Ensure | Action::Run)) => {
                f.write_str("failed to start: ")?;
            }
        }
        f.write_str(text)?;
        match source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// Lists words: `start, stop, run`.
pub(crate) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
