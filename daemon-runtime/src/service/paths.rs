//! The places that a daemon's keys name, which a unit must leave reachable.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::User;

use crate::command::account::Account;
use crate::command::error::{Error, Result};
use crate::service::hardening::Hardening;
use crate::settings::{PidfileChoice, Plan, StateChoice};

const NULL: &str = "/dev/null";

/// The directories that contain what belongs to users.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// The places of one daemon.
pub(crate) struct Places {
    /// Directories in which the daemon writes, each with the key that names it.
    pub(crate) written: Vec<(&'static str, PathBuf)>,
    /// All other paths that must stay visible.
    read: Vec<PathBuf>,
    /// The directory below `/run` that systemd makes for the daemon.
    pub(crate) runtime_directory: Option<PathBuf>,
    /// The directory below `/var/lib` that systemd makes for the daemon.
    pub(crate) state_directory: Option<PathBuf>,
}

impl Places {
    /// Finds the places of a service of the machine.
    pub(crate) fn of_system(plan: &Plan<'_>, program: &Path) -> Result<Self> {
        let settings = plan.settings;
        let mut places = Self {
            written: Vec::new(),
            read: vec![program.into()],
            runtime_directory: None,
            state_directory: None,
        };
        if let PidfileChoice::Given = plan.pidfile_choice {
            places.add_pidfile(plan.pidfile.as_path(), settings.user.as_ref())?;
        } else {
            places.runtime_directory = Some(settings.name.clone().into());
        }
        match settings.state_file(plan)? {
            None => {}
            Some(StateChoice::Given(path) | StateChoice::UserDefault(path)) => {
                places.add_written("state", path.as_path().parent());
            }
            Some(StateChoice::RootDefault(_)) => {
                places.state_directory = Some(settings.name.clone().into());
            }
        }
        let logs = [("stdout", &settings.stdout, &plan.stdout), ("stderr", &settings.stderr, &plan.stderr)];
        for (key, given, path) in logs {
            // The directory, because a log that is rotated is made anew.
            let path = path.as_path();
            places.add_written(key, path.parent().filter(|_| given.is_some() && path != Path::new(NULL)));
        }
        if settings.working_directory.is_some() && plan.chroot.is_none() {
            places.add_written("working_directory", Some(plan.working_directory.as_path()));
        }
        if settings.stdin.is_some() {
            places.read.push(plan.stdin.as_path().into());
        }
        Ok(places)
    }

    fn add_written(&mut self, key: &'static str, directory: Option<&Path>) {
        let Some(directory) = directory.filter(|directory| *directory != Path::new("/")) else { return };
        if self.written.iter().all(|(_, other)| other != directory) {
            self.written.push((key, directory.into()));
        }
    }

    /// Adds the directory of a pidfile, which systemd makes if it is one below `/run`.
    fn add_pidfile(&mut self, pidfile: &Path, user: Option<&Account>) -> Result<()> {
        let Some(directory) = pidfile.parent() else { return Ok(()) };
        if let Some(below) = runtime_directory(pidfile) {
            self.runtime_directory = Some(below);
            return Ok(());
        }
        if let Some(user) = user.filter(|user| !may_write(user, directory)) {
            return Err(Error::failed(format_args!(
                "systemd would start the daemon as user {user}, who cannot make the pidfile {}; leave out the key \
                 `pidfile`, and systemd makes a directory for it",
                pidfile.display()
            )));
        }
        self.add_written("pidfile", Some(directory));
        Ok(())
    }

    /// Returns whether the keys permit the line.
    pub(crate) fn permit(&self, line: Hardening) -> bool {
        match line {
            Hardening::PrivateTmp => !self.any(|path| is_below(path, &["/tmp", "/var/tmp"])),
            Hardening::PrivateDevices => {
                !self.any(|path| is_below(path, &["/dev"]) && path != Path::new(NULL))
            }
            // systemd prefers the stricter of two lines about the same directory.
            Hardening::ProtectHome => {
                !self.written.iter().any(|(_, path)| HOMES.iter().any(|home| path == Path::new(home)))
            }
            _ => true,
        }
    }

    /// Returns whether any of the paths is in a home directory.
    pub(crate) fn are_in_a_home(&self) -> bool {
        self.any(|path| is_below(path, &HOMES))
    }

    /// Returns whether a condition holds for any of the paths, or for where it leads through symbolic links, which
    /// systemd follows.
    fn any(&self, is_it: impl Fn(&Path) -> bool) -> bool {
        let is_or_leads =
            |path: &PathBuf| is_it(path) || fs::canonicalize(path).is_ok_and(|path| is_it(&path));
        self.written.iter().any(|(_, path)| is_or_leads(path)) || self.read.iter().any(is_or_leads)
    }
}

/// Returns the directory of a pidfile, relative to `/run`, if systemd makes it for the daemon.
pub(crate) fn runtime_directory(pidfile: &Path) -> Option<PathBuf> {
    let directory = pidfile.parent()?;
    let is_plain = directory.components().all(|part| part != Component::ParentDir);
    // The old name of `/run`.
    let below = directory.strip_prefix("/run").or_else(|_| directory.strip_prefix("/var/run")).ok()?;
    // systemd takes what follows a colon for a second name of the directory.
    let is_plain = is_plain && !below.as_os_str().as_bytes().contains(&b':');
    let is_ours = is_plain && !below.as_os_str().is_empty() && !below.starts_with("user");
    is_ours.then(|| below.into())
}

fn is_below(path: &Path, directories: &[&str]) -> bool {
    directories.iter().any(|directory| path.starts_with(directory))
}

/// Returns false if a user is known to be unable to make a file in a directory.
fn may_write(user: &Account, directory: &Path) -> bool {
    let Ok(directory) = fs::metadata(directory) else { return true };
    let uid = match user {
        Account::Id(id) => Some(*id),
        Account::Name(name) => User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()),
    };
    uid.is_none_or(|uid| uid == 0 || uid == directory.uid() || directory.mode() & 0o022 != 0)
}
