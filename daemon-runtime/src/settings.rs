//! The keys of a daemon, from which a checked plan is made.

use std::borrow::Cow;
use std::env;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use nix::unistd::{User, geteuid};

use crate::command::account::Account;
use crate::command::children::Children;
use crate::command::error::{Error, Result};
#[cfg(feature = "cron")]
use crate::command::next_run::NextRun;
use crate::command::path::SystemPath;
use crate::command::respawn::Respawn;
use crate::command::signal::Signal;
use crate::progress::Progress;
use crate::sys::family::HAS_SUBREAPERS;
use crate::timing::Timing;
#[cfg(feature = "service")]
use crate::unit_file::environment;
#[cfg(feature = "service")]
use crate::unit_file::installed::{self, Installed, Scope};

/// The time that a process has to end after SIGKILL. It takes longer only if one of its system calls hangs in the
/// kernel.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// The keys as given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    /// What `--version` prints after the name.
    pub(crate) version: Option<String>,
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
    pub(crate) wait_alive: Option<Duration>,
    pub(crate) close_fds: bool,
    pub(crate) respawn: Respawn,
    pub(crate) respawn_delay: Duration,
    pub(crate) respawn_limit: u32,
    pub(crate) children: Children,
    /// When the runs of a repeating daemon are due.
    pub(crate) timing: Option<Timing>,
    /// Whether a run that was due while there was no daemon is made up for.
    pub(crate) catch_up: bool,
    /// The file in which the time of the last success is kept.
    pub(crate) state: Option<PathBuf>,
    pub(crate) calls: BodyCalls,
}

/// How often the body is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyCalls {
    Once,
    /// Whenever a run is due.
    Repeated,
    /// Once, without waiting for a due time, although the daemon repeats its body.
    SingleRun,
}

/// The condition that a start waits for once the body has been called, with its time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The body reports that it is ready.
    Ready(Duration),
    /// The body is still alive when this time is over.
    Alive(Duration),
}

/// The keys, checked, with every path absolute.
pub(crate) struct Plan<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) pidfile: SystemPath,
    pub(crate) pidfile_choice: PidfileChoice,
    pub(crate) stdin: SystemPath,
    pub(crate) stdout: SystemPath,
    pub(crate) stderr: SystemPath,
    /// Inside the chroot, if there is one.
    pub(crate) working_directory: SystemPath,
    pub(crate) chroot: Option<SystemPath>,
    pub(crate) progress: Progress,
}

/// The path of the state file, with its origin.
pub(crate) enum StateChoice {
    /// The key `state`.
    Given(SystemPath),
    /// The default of root, in a directory of its own.
    RootDefault(SystemPath),
    /// The default of another user.
    UserDefault(SystemPath),
}

/// The suffix of a new state file's name, until the file replaces the old one.
pub(crate) const NEW_SUFFIX: &str = ".new";

impl StateChoice {
    /// Returns the path at which a new file is written, until it replaces the old one.
    fn new_path(&self) -> PathBuf {
        let path = self.path().as_path();
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(NEW_SUFFIX);
        path.with_file_name(name)
    }

    pub(crate) fn path(&self) -> &SystemPath {
        let (Self::Given(path) | Self::RootDefault(path) | Self::UserDefault(path)) = self;
        path
    }
}

/// The origin of the pidfile's path.
pub(crate) enum PidfileChoice {
    /// The key `pidfile`.
    Given,
    /// The default of root.
    RootDefault,
    /// The default of another user, with root's default.
    UserDefault { root_default: SystemPath },
    /// No path: another user, who has no home directory for a default. Root's default can still be examined.
    NoHome { root_default: SystemPath },
}

impl Settings {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            version: None,
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
            wait_alive: None,
            close_fds: true,
            respawn: Respawn::default(),
            respawn_delay: Duration::from_secs(1),
            respawn_limit: 10,
            children: Children::default(),
            timing: None,
            catch_up: false,
            state: None,
            calls: BodyCalls::Once,
        }
    }

    /// Returns the settings of a daemon in the foreground, without what its systemd unit does.
    pub(crate) fn in_foreground(&self) -> Cow<'_, Self> {
        #[cfg(feature = "service")]
        if environment::enter(&self.name) {
            let mut settings = Self { respawn: Respawn::Never, chroot: None, ..self.clone() };
            // systemd has looked up the accounts, of which a new root directory knows nothing.
            if self.chroot.is_some() && !geteuid().is_root() {
                (settings.user, settings.group) = (None, None);
            }
            return Cow::Owned(settings);
        }
        Cow::Borrowed(self)
    }

    /// Returns whether the body lives in a child of a supervisor.
    pub(crate) fn is_supervised(&self) -> bool {
        self.respawn != Respawn::Never || self.children == Children::End
    }

    /// Returns the time that a supervisor has, after `stop_timeout`, to end what is left of the body and its children.
    pub(crate) fn grace(&self) -> Duration {
        const REST: Duration = Duration::from_secs(2);
        match self.children {
            Children::End => KILL_TIMEOUT + REST,
            _ if self.is_supervised() => REST,
            _ => Duration::ZERO,
        }
    }

    /// Returns what a start waits for, beyond a daemon that is set up.
    pub(crate) fn wait(&self) -> Option<Wait> {
        self.wait_ready.map(Wait::Ready).or(self.wait_alive.map(Wait::Alive))
    }

    /// Returns the next run, if its time follows from the keys, or from the time that the daemon has reported.
    #[cfg(feature = "cron")]
    pub(crate) fn next_run(&self, reported: Option<Duration>) -> Option<NextRun> {
        self.timing.as_ref().and_then(|timing| timing.next_runs(1, reported).ok()?.pop())
    }

    /// Checks the keys and resolves the paths.
    pub(crate) fn plan(&self) -> Result<Plan<'_>> {
        self.check()?;
        let (null, root) = (Path::new("/dev/null"), Path::new("/"));
        let stdout = self.stdout.as_deref().unwrap_or(null);
        let directory = self.working_directory.as_deref().unwrap_or(root);
        let directory = if self.chroot.is_some() { &root.join(directory) } else { directory };
        let (pidfile, pidfile_choice) = self.pidfile()?;
        Ok(Plan {
            settings: self,
            pidfile,
            pidfile_choice,
            stdin: resolve("stdin", self.stdin.as_deref().unwrap_or(null))?,
            stdout: resolve("stdout", stdout)?,
            stderr: resolve("stderr", self.stderr.as_deref().unwrap_or(stdout))?,
            working_directory: resolve("working_directory", directory)?,
            chroot: self.chroot.as_deref().map(|root| resolve("chroot", root)).transpose()?,
            progress: Progress::silent(),
        })
    }

    /// Returns the file in which the time of the last success is kept, if the daemon makes up for runs. Refuses a file
    /// that the daemon uses for something else.
    pub(crate) fn state_file(&self, plan: &Plan<'_>) -> Result<Option<StateChoice>> {
        if !self.catch_up {
            return Ok(None);
        }
        let choice = self.state_choice()?;
        let path = choice.path();
        let others = [("pidfile", &plan.pidfile), ("stdout", &plan.stdout), ("stderr", &plan.stderr)];
        let new = choice.new_path();
        for (key, other) in others {
            if other == path {
                return Err(Error::failed(format_args!(
                    "`state` is the file of `{key}`, {path}; give it a path of its own"
                )));
            }
            if other.as_path() == new {
                return Err(Error::failed(format_args!(
                    "`state` is written under the name {other} first, which is the file of `{key}`; give it another path"
                )));
            }
        }
        Ok(Some(choice))
    }

    fn state_choice(&self) -> Result<StateChoice> {
        if let Some(path) = &self.state {
            return resolve("state", path).map(StateChoice::Given);
        }
        #[cfg(feature = "service")]
        if let Some(directory) = environment::state_directory() {
            return resolve("name", &directory.join("state")).map(StateChoice::Given);
        }
        if [".", ".."].contains(&self.name.as_str()) {
            return Err(Error::failed(format_args!("`catch_up` needs the key `state` for this `name`")));
        }
        if geteuid().is_root() {
            return resolve("name", &Path::new("/var/lib").join(&self.name).join("state"))
                .map(StateChoice::RootDefault);
        }
        let directory = state_directory().ok_or_else(|| {
            Error::failed(format_args!(
                "this user has no home directory for the state file of `catch_up`; give `state`"
            ))
        })?;
        resolve("name", &directory.join(format!("{}.state", self.name))).map(StateChoice::UserDefault)
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
        if self.is_supervised() && !HAS_SUBREAPERS {
            return Err(Error::failed(format_args!(
                "`respawn` and `children = \"end\"` need Linux, where a process can adopt orphans"
            )));
        }
        if self.wait_ready.is_some() && self.wait_alive.is_some() {
            return Err(Error::failed(format_args!(
                "`wait_ready` and `wait_alive` cannot be given together; keep `wait_ready` if the body calls \
                 `Context::ready()`"
            )));
        }
        if self.state.is_some() && !self.catch_up {
            return Err(Error::failed(format_args!("`state` has no effect without `catch_up`; add it")));
        }
        if self.respawn_delay.is_zero() {
            return Err(Error::failed(format_args!("`respawn_delay` is zero; give a pause such as 1s")));
        }
        Ok(())
    }

    fn pidfile(&self) -> Result<(SystemPath, PidfileChoice)> {
        if let Some(path) = &self.pidfile {
            return Ok((resolve("pidfile", path)?, PidfileChoice::Given));
        }
        let file = format!("{}.pid", self.name);
        let root_default = resolve("name", &root_pidfile_directory(&self.name).join(&file))?;
        let own = given_directory().map(|directory| resolve("name", &directory.join(&file))).transpose()?;
        if geteuid().is_root() {
            return Ok((own.unwrap_or(root_default), PidfileChoice::RootDefault));
        }
        if let Some(own) = own {
            return Ok((own, PidfileChoice::UserDefault { root_default }));
        }
        match state_directory() {
            Some(directory) => {
                Ok((resolve("name", &directory.join(&file))?, PidfileChoice::UserDefault { root_default }))
            }
            None => Ok((root_default.clone(), PidfileChoice::NoHome { root_default })),
        }
    }
}

/// Returns the directory of root's default pidfile: that of the installed service, if the program is one.
fn root_pidfile_directory(name: &str) -> PathBuf {
    #[cfg(feature = "service")]
    if Installed::find(Scope::System, name).is_some() {
        return installed::runtime_directory(name);
    }
    let _ = name;
    "/run".into()
}

/// Returns the directory that systemd has made for this service.
fn given_directory() -> Option<PathBuf> {
    #[cfg(feature = "service")]
    if let Some(directory) = environment::runtime_directory() {
        return Some(directory);
    }
    None
}

/// Returns the directory in which a user other than root keeps what outlives a session, by the [XDG Base Directory
/// Specification](https://specifications.freedesktop.org/basedir/latest/). It is the same in every session, in every
/// shell and in cron. Returns `None` for a user without a home directory.
fn state_directory() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(absolute);
    if let Some(directory) = variable("XDG_STATE_HOME") {
        return Some(directory);
    }
    let in_database = || User::from_uid(geteuid()).ok().flatten().map(|user| user.dir).filter(absolute);
    let home = variable("HOME").or_else(in_database).filter(|home| home.is_dir())?;
    Some(home.join(".local/state"))
}

/// Makes a path absolute by the current directory, in the form that system calls take.
fn resolve(key: &str, path: &Path) -> Result<SystemPath> {
    let absolute = path::absolute(path)
        .map_err(|error| Error::failed(format_args!("`{key}` is a path that cannot be resolved: {error}")))?;
    SystemPath::new(absolute)
        .ok_or_else(|| Error::failed(format_args!("`{key}` must not contain a NUL byte")))
}
