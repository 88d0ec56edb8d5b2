//! The actions that make a daemon a service of systemd, or act on one that is.

use std::time::SystemTime;

use super::Daemon;
use crate::command::action::Action;
use crate::command::error::{Error, Result};
use crate::command::outcome::{Answer, Outcome};
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;
use crate::life::body::Body;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::lock::stop;
use crate::logs::file;
use crate::service::command_line;
use crate::service::install;
use crate::service::installed_service::Service;
use crate::service::unit::{self, Unit};
use crate::settings::Plan;
use crate::start::startup;
use crate::sys::process::number;

/// Services of systemd, with the feature `service`.
impl<M> Daemon<M> {
    /// Returns a systemd unit for this program, made from the keys.
    ///
    /// The unit starts the program in the foreground, with the arguments of this process, in which `run` replaces the
    /// action; see [`Unit::arguments`]. Each key that systemd has a setting for becomes a line, and further lines
    /// confine the daemon as far as the keys permit. [`Unit::relax`] leaves out a line that the body cannot live with.
    ///
    /// For root, the unit is a service of the machine; for every other user, of the user's own systemd. Under such a
    /// unit, [`run`](Daemon::run) leaves to systemd what the unit does: the root directory, and starting the daemon
    /// again after its end.
    ///
    /// # Errors
    ///
    /// Fails if a key is wrong, or if a unit cannot have the program's path or a path in the keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let unit = Daemon::new("example").stop_timeout(Duration::from_secs(30)).unit()?;
    /// assert!(unit.to_string().contains("\nTimeoutStopSec=30s\n"));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    pub fn unit(&self) -> Result<Unit> {
        let plan = self.settings.plan().and_then(|plan| Unit::new(&plan));
        plan.map_err(|error| error.during(&self.settings.name, Action::Unit))
    }

    /// Installs [`unit`](Daemon::unit), enables it, so that the daemon is started when the machine is, and starts the
    /// daemon.
    ///
    /// The file is `NAME.service` in `/etc/systemd/system` for root, and in the user's own directory of units for every
    /// other user. A file of that name that this program has not installed is not touched. If the unit is installed
    /// already, this brings it up to date; if it has changed, the daemon is restarted.
    ///
    /// While the unit is installed, [`start`](Daemon::start), [`stop`](Daemon::stop), [`restart`](Daemon::restart),
    /// [`ensure`](Daemon::ensure) and [`reload`](Daemon::reload) of the same program go through systemd.
    ///
    /// # Errors
    ///
    /// Fails if the daemon is running without systemd, if systemd does not run this machine, or if systemd refuses a
    /// step.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").install()?;
    /// println!("{outcome}"); // example: installed (pid 42; unit /etc/systemd/system/example.service)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    pub fn install(&self) -> Result<Outcome> {
        self.install_unit(&self.unit()?)
    }

    /// Runs the user's check, with the arguments that the unit will have, then installs the unit.
    pub(super) fn check_and_install<K, B: Body<M, K>>(&self) -> Result<Outcome> {
        let check = self.settings.plan().and_then(|plan| startup::check::<M, K, B>(&plan, &self.mode));
        check.map_err(|error| error.during(&self.settings.name, Action::Install))?;
        self.install()
    }

    /// Installs a unit that the program has changed, as [`install`](Daemon::install) does with an unchanged one.
    ///
    /// # Errors
    ///
    /// Fails as [`install`](Daemon::install) does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let daemon = daemonic::Daemon::new("example");
    /// daemon.install_unit(&daemon.unit()?.with("MemoryMax=100M"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    pub fn install_unit(&self, unit: &Unit) -> Result<Outcome> {
        let outcome = self.answer(Action::Install, |plan, pidfile| {
            if let Presence::Running { pid, .. } = pidfile.presence()? {
                let is_service = Service::find(&plan.settings.name).is_some_and(|service| service.runs(pid));
                if !is_service {
                    return Err(Error::failed(format_args!(
                        "the daemon is running without systemd (pid {pid}); stop it first"
                    )));
                }
            }
            let (path, is_new) = install::install(unit)?;
            // The default pidfile is another one from now on.
            let plan = self.settings.plan()?;
            let pid = explained(&plan, &Pidfile::new(&plan), || {
                install::start(unit, is_new)?;
                Service::find(&plan.settings.name).as_ref().map_or(Ok(0), Service::main_pid)
            });
            let pid = pid.map_err(|error| {
                let (unit, reason) = (path.display(), error.text());
                Error::failed(format_args!("the unit {unit} is installed, but the daemon fails: {reason}"))
            })?;
            Ok(Answer::Installed { pid, unit: path })
        })?;
        // The default pidfile is another one now.
        #[cfg(feature = "json")]
        let outcome = match self.settings.plan() {
            Ok(plan) => outcome.with_snapshot(Snapshot::of(&plan)),
            Err(_) => outcome,
        };
        Ok(outcome.with_warning(unit.warning()))
    }

    /// Stops the daemon and removes the unit that [`install`](Daemon::install) has written.
    ///
    /// If there is no unit, this succeeds. A file that this program has not installed is not touched.
    ///
    /// # Errors
    ///
    /// Fails if the file is not this program's, or if systemd refuses a step.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").uninstall()?;
    /// println!("{outcome}"); // example: uninstalled (unit /etc/systemd/system/example.service)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    pub fn uninstall(&self) -> Result<Outcome> {
        self.answer(Action::Uninstall, |plan, pidfile| {
            let pidfile = pidfile.path().as_path();
            let removed = install::uninstall(unit::scope(), &plan.settings.name, pidfile)?;
            Ok(removed.map_or(Answer::NotInstalled, |unit| Answer::Uninstalled { unit }))
        })
    }

    /// Returns the text of the unit as the outcome of an action.
    pub(super) fn print_unit(&self, with_timer: bool) -> Result<Outcome> {
        let name = &self.settings.name;
        let unit = self.unit()?;
        let unit = if with_timer || command_line::asks_for_timer() { unit.timer() } else { Ok(unit) };
        let unit = unit.map_err(|error| error.during(name, Action::Unit))?;
        Ok(Outcome::new(name, Action::Unit, Answer::Unit { text: unit.to_string() }, unit.warning()))
    }

    /// Returns the installed service that runs this program as the daemon.
    pub(super) fn service(&self) -> Option<Service> {
        Service::find(&self.settings.name)
    }

    /// Carries out an action through systemd.
    fn through(
        &self,
        service: &Service,
        action: Action,
        act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>,
    ) -> Result<Outcome> {
        Ok(self.answer(action, act)?.with_unit(Some(service.unit.clone())))
    }

    /// Starts the daemon through systemd. With `ensure`, the daemon may be running already.
    pub(super) fn start_service<K, B: Body<M, K>>(
        &self,
        service: &Service,
        action: Action,
    ) -> Result<Outcome> {
        self.through(service, action, |plan, pidfile| {
            if B::WITH_CHECK {
                service.check(&plan.settings.name)?;
            }
            match pidfile.presence()? {
                Presence::Running { pid, .. } if action != Action::Ensure => Err(Error::already_running(pid)),
                Presence::Running { pid, .. } if !service.runs(pid) => {
                    Ok(Answer::AlreadyRunning { pid: number(pid) })
                }
                // systemd waits until a daemon that is starting is ready.
                Presence::Running { .. } => {
                    Ok(Answer::AlreadyRunning { pid: explained(plan, pidfile, || service.call("start"))? })
                }
                _ => Ok(Answer::Started { pid: explained(plan, pidfile, || service.call("start"))? }),
            }
        })
    }

    /// Stops the daemon through systemd.
    pub(super) fn stop_service(&self, service: &Service) -> Result<Outcome> {
        self.through(service, Action::Stop, |plan, pidfile| {
            let presence = pidfile.presence()?;
            let is_killed = service.stop()?;
            Ok(match presence {
                Presence::Running { pid, .. } if is_killed => Answer::Killed {
                    pid: number(pid),
                    after: plan.settings.stop_timeout,
                    signal: plan.settings.stop_signal,
                },
                Presence::Running { pid, .. } => Answer::Stopped { pid: number(pid) },
                _ => Answer::NotRunning,
            })
        })
    }

    /// Restarts the daemon through systemd.
    pub(super) fn restart_service<K, B: Body<M, K>>(&self, service: &Service) -> Result<Outcome> {
        self.through(service, Action::Restart, |plan, pidfile| {
            if B::WITH_CHECK {
                service.check(&plan.settings.name)?;
            }
            let presence = pidfile.presence()?;
            if let Presence::Running { pid, .. } = presence {
                if !service.runs(pid) {
                    stop::stop(pidfile, plan)
                        .map_err(|error| error.during(&plan.settings.name, Action::Stop))?;
                }
            }
            let pid = explained(plan, pidfile, || service.call("restart"))?;
            let was_running = matches!(presence, Presence::Running { .. });
            Ok(if was_running { Answer::Restarted { pid } } else { Answer::Started { pid } })
        })
    }

    /// Makes the daemon reload through systemd.
    pub(super) fn reload_service(&self, service: &Service) -> Result<Outcome> {
        self.through(service, Action::Reload, |plan, pidfile| {
            let pid = stop::reload_by(pidfile, plan, |_| service.call("reload").map(drop))?;
            Ok(Answer::Reloaded { pid: number(pid) })
        })
    }

    /// Returns the service if it runs the daemon, or if no process does.
    pub(super) fn service_in_charge(&self) -> Option<Service> {
        let service = self.service()?;
        let plan = self.settings.plan().ok()?;
        match Pidfile::new(&plan).presence() {
            Ok(Presence::Running { pid, .. }) if !service.runs(pid) => None,
            _ => Some(service),
        }
    }
}

/// Calls systemd. If the daemon then fails, the error is the daemon's own reason: systemd reports only that it has
/// failed.
fn explained<T>(plan: &Plan<'_>, pidfile: &Pidfile, call: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = SystemTime::now();
    call().map_err(|error| match pidfile.presence() {
        // An older failure is not the reason.
        Ok(Presence::Failed(failure)) if failure.is_since(begin) => match failure.message {
            Some(message) => Error::failed(format_args!("{message}")),
            None => Error::failed(format_args!("the daemon ended at once: {}", failure.exit)),
        },
        _ => match file::of(plan) {
            Some(log) => Error::failed(format_args!("{}; the log {log} may have the reason", error.text())),
            None => error,
        },
    })
}
