//! A daemon that systemd runs by an installed unit of this program.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

use nix::sys::stat::SFlag;
use nix::unistd::Pid;

use crate::command::action::Action;
use crate::command::error::{Error, Result};
use crate::command::outcome::Outcome;
use crate::service::journal::Journal;
use crate::service::manager::Manager;
use crate::service::unit;
use crate::settings::Settings;
use crate::sys::file::file_type;
use crate::sys::process::number;
use crate::sys::procfs;
use crate::unit_file::installed::{self, Installed, Scope};

/// The installed service of a daemon.
pub(crate) struct Service {
    manager: Manager,
    /// The unit's file name.
    pub(crate) unit: String,
    command_line: Vec<OsString>,
}

impl Service {
    /// Finds the service of this user's systemd that runs this program as the daemon.
    ///
    /// A process of the unit itself, such as its `ExecReload=`, acts directly: systemd waits for it.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let installed = Installed::find(unit::scope(), name)?;
        let is_ours = !installed.is_by_timer && installed.is_of_this_program();
        let unit = installed::file_name(name);
        let is_inside = installed::is_of_unit(&unit, process::id());
        (is_ours && !is_inside).then_some(Self {
            manager: Manager(installed.scope),
            unit,
            command_line: installed.command_line,
        })
    }

    /// Makes systemd start, restart or reload the daemon, and waits for it. Returns the PID of the daemon.
    pub(crate) fn call(&self, verb: &str) -> Result<u32> {
        // Otherwise systemd may refuse a daemon that was started too often.
        let _ = self.manager.call(&["reset-failed", &self.unit]);
        self.manager.call(&[verb, &self.unit])?;
        self.main_pid()
    }

    /// Makes systemd stop the daemon, or end its attempts to start it again. Returns whether systemd had to kill it.
    pub(crate) fn stop(&self) -> Result<bool> {
        self.manager.call(&["stop", &self.unit])?;
        Ok(self.manager.property(&self.unit, "Result")? == "timeout")
    }

    /// Returns the PID of the unit's main process.
    pub(crate) fn main_pid(&self) -> Result<u32> {
        let pid = self.manager.property(&self.unit, "MainPID")?;
        pid.parse()
            .ok()
            .filter(|pid| *pid != 0)
            .ok_or_else(|| Error::failed(format_args!("the daemon has ended already")))
    }

    /// Returns whether the main process runs a program other than the file that the unit names now, because that file
    /// was replaced.
    pub(crate) fn runs_old_program(&self) -> bool {
        let id = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let running = self.main_pid().ok().and_then(|pid| id(Path::new(&format!("/proc/{pid}/exe"))));
        let installed = self.command_line.first().and_then(|program| id(Path::new(program)));
        running.is_some() && running != installed
    }

    /// Runs the daemon's check, with the arguments of the unit.
    ///
    /// A unit may start the program with other arguments. Without the argument `run`, there is no check before the
    /// start.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        let Some((program, arguments)) = self.command_line.split_first() else { return Ok(()) };
        let mut arguments = arguments.to_vec();
        let Some(action) = arguments.iter_mut().find(|word| *word == Action::Run.as_str()) else {
            return Ok(());
        };
        *action = Action::Check.as_str().into();
        let output = Command::new(program)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::io(format_args!("cannot run the check of the unit"), &error))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let own = format!("{name}: check failed: ");
        Err(Error::failed(format_args!("{}", text.trim().trim_start_matches(&own))))
    }

    /// Returns whether a process belongs to the unit.
    pub(crate) fn runs(&self, pid: Pid) -> bool {
        installed::is_of_unit(&self.unit, number(pid))
    }
}

/// Adds to the answer about a process the installed unit, of this user or of the machine, that runs it as the daemon,
/// with the place of its output.
pub(crate) fn add_unit(outcome: Outcome, settings: &Settings, pid: Pid) -> Outcome {
    let (name, unit) = (&settings.name, installed::file_name(&settings.name));
    let is_installed = |scope: &Scope| Installed::find(*scope, name).is_some();
    let scope = || unit::scopes().iter().copied().find(is_installed);
    let Some(scope) = installed::is_of_unit(&unit, number(pid)).then(scope).flatten() else { return outcome };
    let journal = Journal::new(scope, unit.clone()).to_string();
    let has_output = settings.stdout.is_none() && is_socket(pid);
    outcome.with_journal(has_output.then_some(journal)).with_unit(Some(unit))
}

/// Returns whether the standard output of a process may be a socket, as it is if it goes to the journal. If the system
/// does not report it, it may be.
fn is_socket(pid: Pid) -> bool {
    procfs::open_file(pid, 1).is_none_or(|(stat, _)| file_type(&stat) == SFlag::S_IFSOCK)
}
