//! What a builder has been told, and what becomes of it: checked, with every path resolved.

use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::action::Action;
use crate::error::{Error, Result};
use crate::outcome::{Answer, Outcome};
use crate::pidfile::Pidfile;
use crate::signals::Signal;
use crate::stdio::Streams;

/// The keys of a daemon, as given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) stdin: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: Option<PathBuf>,
    pub(crate) working_directory: PathBuf,
    pub(crate) umask: Option<u32>,
    pub(crate) stop_signal: Signal,
    pub(crate) stop_timeout: Duration,
    pub(crate) close_fds: bool,
    pub(crate) wait_ready: Option<Duration>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) chroot: Option<PathBuf>,
}

/// The keys of a daemon, ready for use in whatever directory.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) pidfile: Pidfile,
    pub(crate) streams: Streams,
    pub(crate) working_directory: CString,
    pub(crate) umask: Option<u32>,
    pub(crate) stop_signal: Signal,
    pub(crate) stop_timeout: Duration,
    pub(crate) close_fds: bool,
    pub(crate) wait_ready: Option<Duration>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) chroot: Option<CString>,
}

impl Settings {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            pidfile: None,
            stdin: "/dev/null".into(),
            stdout: "/dev/null".into(),
            stderr: None,
            working_directory: "/".into(),
            umask: None,
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(10),
            close_fds: true,
            wait_ready: None,
            user: None,
            group: None,
            chroot: None,
        }
    }

    /// Does an action and gives its answer, or its failure, the daemon's name.
    pub(crate) fn answer(self, action: Action, act: impl FnOnce(&Plan) -> Result<Answer>) -> Result {
        let outcome = self.plan().and_then(|plan| {
            let answer = act(&plan)?;
            Ok(Outcome::new(&self.name, action, answer, plan.pidfile.warning()))
        });
        outcome.map_err(|error| error.during(&self.name, action))
    }

    fn plan(&self) -> Result<Plan> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) {
            return Err(Error::failed("`name` must be a word without `/`, since it names files"));
        }
        if let Some(reason) = self.stop_signal.refusal() {
            return Err(Error::failed(format!("`stop_signal` can't be {}: {reason}", self.stop_signal)));
        }
        if self.umask.is_some_and(|mask| mask > 0o777) {
            return Err(Error::failed("`umask` has permission bits only, at most 0o777"));
        }
        let stdout = resolve("stdout", &self.stdout)?;
        let stderr = self.stderr.as_ref().map_or(Ok(stdout.clone()), |path| resolve("stderr", path))?;
        Ok(Plan {
            name: self.name.clone(),
            pidfile: Pidfile::new(resolve("pidfile", &self.pidfile_path()?)?),
            streams: Streams {
                stdin: resolve("stdin", &self.stdin)?,
                stdout,
                stderr,
                are_outside: self.chroot.is_some(),
            },
            working_directory: resolve("working_directory", &self.directory())?,
            umask: self.umask,
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
            close_fds: self.close_fds,
            wait_ready: self.wait_ready,
            user: self.user.clone(),
            group: self.group.clone(),
            chroot: self.chroot.as_ref().map(|root| resolve("chroot", root)).transpose()?,
        })
    }

    /// Gives the working directory, which is inside the `chroot` if there is one.
    fn directory(&self) -> PathBuf {
        match self.chroot {
            Some(_) => Path::new("/").join(&self.working_directory),
            None => self.working_directory.clone(),
        }
    }

    fn pidfile_path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.pidfile {
            return Ok(path.clone());
        }
        let folder = if geteuid().is_root() { Some("/run".into()) } else { env::var_os("XDG_RUNTIME_DIR") };
        match folder.filter(|folder| Path::new(folder).is_dir()) {
            Some(folder) => Ok(Path::new(&folder).join(format!("{}.pid", self.name))),
            None => Err(Error::failed(
                "there is no folder for the pidfile ($XDG_RUNTIME_DIR, or /run for root); give the key `pidfile`",
            )),
        }
    }
}

/// Makes a path absolute, by the current directory, and fit for the system.
fn resolve(key: &str, path: &Path) -> Result<CString> {
    let absolute = path::absolute(path)
        .map_err(|error| Error::failed(format!("`{key}` is no path that can be resolved: {error}")))?;
    CString::new(OsString::from(absolute).into_vec())
        .map_err(|_| Error::failed(format!("`{key}` must not hold a NUL byte")))
}
