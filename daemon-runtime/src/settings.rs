//! The keys of a daemon, from which a checked plan is made.

use std::env;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::command::account::Account;
use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::command::signal::Signal;

/// The keys as given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) stdin: Option<PathBuf>,
    pub(crate) stdout: Option<PathBuf>,
    pub(crate) stderr: Option<PathBuf>,
    pub(crate) working_directory: Option<PathBuf>,
    pub(crate) umask: Option<u32>,
    pub(crate) user: Option<Account>,
    pub(crate) group: Option<Account>,
    pub(crate) chroot: Option<PathBuf>,
    pub(crate) stop_signal: Signal,
    pub(crate) stop_timeout: Duration,
    pub(crate) wait_ready: Option<Duration>,
    pub(crate) close_fds: bool,
}

/// The keys, checked, with every path absolute.
pub(crate) struct Plan<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) pidfile: SystemPath,
    pub(crate) stdin: SystemPath,
    pub(crate) stdout: SystemPath,
    pub(crate) stderr: SystemPath,
    /// Inside the chroot, if there is one.
    pub(crate) working_directory: SystemPath,
    pub(crate) chroot: Option<SystemPath>,
}

impl Settings {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            pidfile: None,
            stdin: None,
            stdout: None,
            stderr: None,
            working_directory: None,
            umask: None,
            user: None,
            group: None,
            chroot: None,
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(10),
            wait_ready: None,
            close_fds: true,
        }
    }

    /// Checks the keys and resolves the paths.
    pub(crate) fn plan(&self) -> Result<Plan<'_>> {
        self.check()?;
        let (null, root) = (Path::new("/dev/null"), Path::new("/"));
        let stdout = self.stdout.as_deref().unwrap_or(null);
        let directory = self.working_directory.as_deref().unwrap_or(root);
        let directory = if self.chroot.is_some() { &root.join(directory) } else { directory };
        Ok(Plan {
            settings: self,
            pidfile: resolve("pidfile", &self.pidfile()?)?,
            stdin: resolve("stdin", self.stdin.as_deref().unwrap_or(null))?,
            stdout: resolve("stdout", stdout)?,
            stderr: resolve("stderr", self.stderr.as_deref().unwrap_or(stdout))?,
            working_directory: resolve("working_directory", directory)?,
            chroot: self.chroot.as_deref().map(|root| resolve("chroot", root)).transpose()?,
        })
    }

    fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) {
            return Err(Error::failed(format_args!(
                "`name` must be a word without `/`, because it is part of file names"
            )));
        }
        if self.umask.is_some_and(|mask| mask > 0o777) {
            return Err(Error::failed(format_args!("`umask` has permission bits only, at most 0o777")));
        }
        Ok(())
    }

    fn pidfile(&self) -> Result<PathBuf> {
        self.pidfile.clone().map_or_else(|| self.default_pidfile(), Ok)
    }

    fn default_pidfile(&self) -> Result<PathBuf> {
        let directory =
            if geteuid().is_root() { Some("/run".into()) } else { env::var_os("XDG_RUNTIME_DIR") };
        match directory.map(PathBuf::from).filter(|directory| directory.is_dir()) {
            Some(directory) => Ok(directory.join(format!("{}.pid", self.name))),
            None => Err(Error::failed(format_args!(
                "there is no directory for the pidfile ($XDG_RUNTIME_DIR, or /run for root); give the key `pidfile`"
            ))),
        }
    }
}

/// Makes a path absolute by the current directory, in the form that system calls take.
fn resolve(key: &str, path: &Path) -> Result<SystemPath> {
    let absolute = path::absolute(path)
        .map_err(|error| Error::failed(format_args!("`{key}` is a path that cannot be resolved: {error}")))?;
    SystemPath::new(absolute)
        .ok_or_else(|| Error::failed(format_args!("`{key}` must not contain a NUL byte")))
}
