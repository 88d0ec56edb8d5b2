//! What can go wrong, in one opaque type with predicates.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Display, Path};
use std::process::ExitCode;

use nix::errno::Errno;

use crate::action::Action;
use crate::outcome::Outcome;
use crate::sys::Pid;

/// Names what a dispatcher and the methods of [`Daemon`](crate::Daemon) return.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Result};
///
/// fn stop_both() -> Result<()> {
///     Daemon::new("server").pidfile("/tmp/result-server.pid").stop()?;
///     Daemon::new("worker").pidfile("/tmp/result-worker.pid").stop()?;
///     Ok(())
/// }
///
/// assert!(stop_both().is_ok());
/// ```
pub type Result<T = Outcome, E = Error> = std::result::Result<T, E>;

/// Says why an action could not be done, naming the thing and the way out.
///
/// Its [`Display`](fmt::Display) is the whole message, the daemon's name first. Its [`Debug`] reads
/// the same, because `fn main() -> daemonic::Result` prints that one.
///
/// # Examples
///
/// ```
/// let error = daemonic::Daemon::new("example").pidfile("/tmp").status().unwrap_err();
/// assert!(!error.is_permission_denied());
/// assert_eq!(error.to_string(), "example: unknown: pidfile /tmp is a directory, not a regular file");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    name: String,
    action: Option<Action>,
    kind: Kind,
    text: String,
    source: Option<io::Error>,
}

/// What sort of failure it is: decides the wording around the text, and the exit code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No action, or none of ours.
    Usage,
    /// Somebody with this PID runs already.
    AlreadyRunning(Pid),
    /// There is nobody to reload.
    NotRunning,
    /// `EACCES` or `EPERM`.
    PermissionDenied,
    /// The lock's holder has no name here.
    Unnamed,
    /// Everything else.
    Failed,
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: Kind, text: fmt::Arguments<'_>) -> Self {
        let text = text.to_string();
        Self(Box::new(Inner { name: String::new(), action: None, kind, text, source: None }))
    }

    /// Refuses with a reason of our own.
    pub(crate) fn failed(text: fmt::Arguments<'_>) -> Self {
        Self::new(Kind::Failed, text)
    }

    /// Wraps what the system said to an attempt, `cannot open pidfile /run/x.pid`.
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

    /// The same of the standard library's.
    #[cold]
    pub(crate) fn io(text: fmt::Arguments<'_>, error: &io::Error) -> Self {
        Self::os(text, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }

    /// Says that a file can't be opened, and what to do if its folder is missing.
    pub(crate) fn cannot_open(what: &str, path: &CStr, errno: Errno) -> Self {
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        let missing = path.parent().filter(|folder| errno == Errno::ENOENT && !folder.exists());
        let repair = missing.map(|folder| format!("; make the folder {} first", folder.display()));
        Self::os(format_args!("cannot open {what} {}{}", path.display(), repair.unwrap_or_default()), errno)
    }

    /// Refuses a start, since this process is the daemon.
    pub(crate) fn already_running(pid: Pid) -> Self {
        Self::new(Kind::AlreadyRunning(pid), format_args!(""))
    }

    /// Somebody holds the lock whom `F_GETLK` can't name.
    pub(crate) fn unnamed(pidfile: &CStr) -> Self {
        let pidfile = shown(pidfile);
        Self::new(Kind::Unnamed, format_args!("{pidfile} is locked by a process that the kernel can't name"))
    }

    /// Says whose action failed, for the message and the exit code.
    pub(crate) fn during(mut self, name: &str, action: Action) -> Self {
        name.clone_into(&mut self.0.name);
        self.0.action.get_or_insert(action);
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.name);
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// The system's own error number, where there was one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.0.source.as_ref().and_then(io::Error::raw_os_error)
    }

    /// Tells whether the action was missing or unknown.
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

    /// Tells whether a start was refused because the daemon runs already.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/already-running-example.pid");
    /// let mut second = None;
    /// daemon.clone().run(|| second = daemon.clone().run(|| ()).err())?;
    /// assert!(second.is_some_and(|error| error.is_already_running()));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(self.0.kind, Kind::AlreadyRunning(_))
    }

    /// Tells whether there was no daemon to reload.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let error = Daemon::new("example").pidfile("/tmp/not-running-example.pid").reload().unwrap_err();
    /// assert!(error.is_not_running());
    /// ```
    #[must_use]
    pub fn is_not_running(&self) -> bool {
        self.0.kind == Kind::NotRunning
    }

    /// Tells whether the system refused for lack of permission (`EACCES`, `EPERM`).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// let result = Daemon::new("example").user("nobody").start(|| std::thread::park());
    /// if result.is_err_and(|error| error.is_permission_denied()) {
    ///     eprintln!("only root may do this");
    /// }
    /// ```
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.0.kind == Kind::PermissionDenied
    }

    /// Tells whether the pidfile is locked by a process that the kernel can't name here, such as one in another
    /// container.
    ///
    /// It is only about a holder without a name. What else `status` reports as unknown, such as a pidfile that is a
    /// directory, isn't this.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let error = Daemon::new("example").pidfile("/tmp").status().unwrap_err();
    /// assert!(error.to_string().contains("unknown: pidfile /tmp is a directory"));
    /// assert!(!error.is_unknown()); // nobody holds it
    /// ```
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.kind == Kind::Unnamed
    }

    /// Gives the PID of the daemon that runs already, if that is the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/error-pid-example.pid");
    /// let mut second = None;
    /// daemon.clone().run(|| second = daemon.clone().run(|| ()).err())?;
    /// assert_eq!(second.and_then(|error| error.pid()), Some(std::process::id()));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match self.0.kind {
            Kind::AlreadyRunning(pid) => Some(pid.number()),
            _ => None,
        }
    }

    /// Gives the exit code of the contract: 2 for usage, 4 for permission denied and for a status
    /// that can't be told, else 1.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     match Daemon::new("example").pidfile("/tmp/example.pid").reload() {
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
        let Inner { name, action, kind, text, source } = &*self.0;
        if !name.is_empty() {
            write!(f, "{name}: ")?;
        }
        match (kind, action) {
            (Kind::Usage, _) | (Kind::Failed, None) => {}
            (Kind::AlreadyRunning(pid), _) => write!(f, "already running (pid {pid})")?,
            (Kind::NotRunning, _) => f.write_str("not running")?,
            (Kind::PermissionDenied, _) => f.write_str("permission denied: ")?,
            (Kind::Unnamed, _) | (Kind::Failed, Some(Action::Status)) => f.write_str("unknown: ")?,
            (Kind::Failed, Some(Action::Stop)) => f.write_str("failed to stop: ")?,
            (Kind::Failed, Some(Action::Reload)) => f.write_str("failed to reload: ")?,
            (Kind::Failed, Some(_)) => f.write_str("failed to start: ")?,
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
pub(crate) fn list(words: &mut dyn Iterator<Item = &str>) -> String {
    let mut list = String::new();
    for word in words {
        list += if list.is_empty() { "" } else { ", " };
        list += word;
    }
    list
}

/// Shows a path that is kept as the system takes it.
pub(crate) fn shown(path: &CStr) -> Display<'_> {
    as_path(path).display()
}

/// Gives a path that is kept as the system takes it to the standard library.
pub(crate) fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
