//! What a builder has been told, and what becomes of it: checked, with every path resolved.

use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::action::Action;
use crate::error::{Error, Result};
use crate::identity::LookUp;
use crate::outcome::{Answer, Outcome};
use crate::pidfile::Pidfile;
use crate::signals::Signal;
use crate::stdio::Streams;

/// The keys of a daemon, as given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) keys: Keys,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) stdin: Option<PathBuf>,
    pub(crate) stdout: Option<PathBuf>,
    pub(crate) stderr: Option<PathBuf>,
    pub(crate) working_directory: Option<PathBuf>,
    pub(crate) chroot: Option<PathBuf>,
}

/// The keys of a daemon, checked, and with every path ready for use in whatever directory.
pub(crate) struct Plan<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) pidfile: Pidfile,
    pub(crate) streams: Streams,
    pub(crate) working_directory: CString,
    pub(crate) chroot: Option<CString>,
}

/// The keys that are no paths.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) name: String,
    pub(crate) umask: Option<u32>,
    pub(crate) stop_signal: Signal,
    pub(crate) stop_timeout: Duration,
    pub(crate) close_fds: bool,
    pub(crate) wait_ready: Option<Duration>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// Is there with one of these two, so that a program without them links nothing of it.
    pub(crate) look_up: Option<LookUp>,
}

impl Settings {
    pub(crate) fn new(name: String) -> Self {
        let keys = Keys {
            name,
            umask: None,
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(10),
            close_fds: true,
            wait_ready: None,
            user: None,
            group: None,
            look_up: None,
        };
        Self {
            keys,
            pidfile: None,
            stdin: None,
            stdout: None,
            stderr: None,
            working_directory: None,
            chroot: None,
        }
    }

    /// Does an action and gives its answer, or its failure, the daemon's name.
    pub(crate) fn answer(&self, action: Action, act: impl FnOnce(&Plan) -> Result<Answer>) -> Result {
        let answer = self.plan().and_then(|plan| Ok((act(&plan)?, plan.pidfile.warning())));
        self.conclude(action, answer)
    }

    fn conclude(&self, action: Action, answer: Result<(Answer, Option<String>)>) -> Result {
        let name = &self.keys.name;
        match answer {
            Ok((answer, warning)) => Ok(Outcome::new(name, action, answer, warning)),
            Err(error) => Err(error.during(name, action)),
        }
    }

    /// Checks the keys and resolves the paths.
    fn plan(&self) -> Result<Plan<'_>> {
        let mut checks = Checks { mistake: self.keys.check().err() };
        let pidfile = match &self.pidfile {
            Some(path) => path,
            None => &checks.note(self.keys.default_pidfile()),
        };
        let (null, root) = (Path::new("/dev/null"), Path::new("/"));
        let stdout = self.stdout.as_deref().unwrap_or(null);
        let directory = self.working_directory.as_deref().unwrap_or(root);
        let is_confined = self.chroot.is_some();
        let directory = if is_confined { &root.join(directory) } else { directory };
        let plan = Plan {
            keys: &self.keys,
            pidfile: Pidfile::new(checks.resolve("pidfile", pidfile)),
            streams: Streams {
                stdin: checks.resolve("stdin", self.stdin.as_deref().unwrap_or(null)),
                stdout: checks.resolve("stdout", stdout),
                stderr: checks.resolve("stderr", self.stderr.as_deref().unwrap_or(stdout)),
                are_outside: is_confined,
            },
            working_directory: checks.resolve("working_directory", directory),
            chroot: self.chroot.as_ref().map(|root| checks.resolve("chroot", root)),
        };
        checks.mistake.map_or(Ok(plan), Err)
    }
}

/// What has been checked so far; of several mistakes the first one is told.
struct Checks {
    mistake: Option<Error>,
}

impl Checks {
    fn note<T: Default>(&mut self, result: Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.mistake.get_or_insert(error);
            T::default()
        })
    }

    /// Makes a path absolute, by the current directory, and fit for the system.
    fn resolve(&mut self, key: &str, path: &Path) -> CString {
        let absolute = path::absolute(path)
            .map_err(|error| Error::failed(format_args!("`{key}` is no path that can be resolved: {error}")));
        let resolved = absolute.and_then(|path| {
            CString::new(OsString::from(path).into_vec())
                .map_err(|_| Error::failed(format_args!("`{key}` must not hold a NUL byte")))
        });
        self.note(resolved)
    }
}

impl Keys {
    fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.contains(['/', '\0']) {
            return Err(Error::failed(format_args!(
                "`name` must be a word without `/`, since it names files"
            )));
        }
        if let Some(reason) = self.stop_signal.refusal() {
            return Err(Error::failed(format_args!("`stop_signal` can't be {}: {reason}", self.stop_signal)));
        }
        if self.umask.is_some_and(|mask| mask > 0o777) {
            return Err(Error::failed(format_args!("`umask` has permission bits only, at most 0o777")));
        }
        Ok(())
    }

    fn default_pidfile(&self) -> Result<PathBuf> {
        let folder = if geteuid().is_root() { Some("/run".into()) } else { env::var_os("XDG_RUNTIME_DIR") };
        match folder.filter(|folder| Path::new(folder).is_dir()) {
            Some(folder) => Ok(Path::new(&folder).join(format!("{}.pid", self.name))),
            None => Err(Error::failed(format_args!(
                "there is no folder for the pidfile ($XDG_RUNTIME_DIR, or /run for root); give the key `pidfile`"
            ))),
        }
    }
}
