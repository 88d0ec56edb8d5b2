//! The steps of a start, in the launcher, in the daemon, in the foreground.

use std::mem;
use std::process;

use nix::unistd::Pid;

use crate::command::error::{Error, Result};
use crate::life::body::{Body, BodyResult, Ending};
use crate::life::context::Context;
use crate::life::guard::{InstanceGuard, InstanceOptions};
use crate::life::instance::StopMode;
use crate::life::nested_runtime;
use crate::life::notify::ServiceManager;
use crate::life::readiness::Readiness;
use crate::life::streams::Streams;
use crate::lock::held::HeldPidfile;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::settings::Plan;
use crate::start::detach;
use crate::start::fork::{Side, fork_daemon};
use crate::start::identity::Identity;
use crate::start::preconditions::{self, SingleThread};
use crate::sys::mask::{self, AllBlocked};
use crate::sys::process::exit_now;

/// A start whose preconditions are checked, with all that must be looked up before the fork.
pub(crate) struct Startup<'a, M> {
    plan: &'a Plan<'a>,
    pidfile: &'a Pidfile,
    mode: &'a M,
    identity: Option<Identity>,
}

/// Refuses keys that do not fit, looks up the user and the group, and then makes the [`check`](crate::Daemon::check).
///
/// This needs no privileges.
pub(crate) fn check<M, K, B: Body<M, K>>(plan: &Plan<'_>, mode: &M) -> Result<Option<Identity>> {
    if plan.settings.wait_ready.is_some() && !B::WITH_CONTEXT {
        return Err(Error::failed(format_args!(
            "`wait_ready` needs a body with a `Context`, which reports that it is ready"
        )));
    }
    let identity = Identity::look_up(plan.settings.user.as_ref(), plan.settings.group.as_ref())?;
    B::check(mode)?;
    Ok(identity)
}

impl<'a, M> Startup<'a, M> {
    /// Makes the [`check`], and refuses a change of user without root's privileges.
    pub(crate) fn prepare<K, B: Body<M, K>>(
        plan: &'a Plan<'a>,
        pidfile: &'a Pidfile,
        mode: &'a M,
    ) -> Result<Self> {
        let identity = check::<M, K, B>(plan, mode)?;
        identity.as_ref().map_or(Ok(()), Identity::require_root)?;
        Ok(Self { plan, pidfile, mode, identity })
    }

    /// Forks the daemon, and returns its PID once it is ready. Returns only in the launcher, and drops the body there
    /// unless the daemon may have called it.
    pub(crate) fn launch<K, B: Body<M, K, Output: BodyResult>>(
        self,
        thread: SingleThread,
        body: B,
    ) -> Result<Pid> {
        if let Presence::Running { pid, .. } = self.pidfile.presence()? {
            return Err(Error::already_running(pid));
        }
        match fork_daemon(thread)? {
            Side::Launcher(mut launcher) => {
                let pid = launcher.wait(self.pidfile, self.plan.settings);
                if launcher.has_begun() {
                    // What the body has captured is the daemon's now: dropping it here too would, for example, remove
                    // a temporary directory that the daemon uses.
                    mem::forget(body);
                }
                pid
            }
            Side::Daemon(readiness) => self.be_daemon(readiness, body),
        }
    }

    /// Runs the daemon, from the second fork to its exit.
    fn be_daemon<K, B: Body<M, K, Output: BodyResult>>(&self, mut readiness: Readiness, body: B) -> ! {
        let instance = self.set_up::<K, B>().and_then(|mut instance| {
            // A setup may take long. If the launcher goes meanwhile, the daemon ends.
            if self.plan.settings.wait().is_some() || B::WITH_SETUP {
                instance.await_launcher(&mut readiness)?;
            }
            Ok(instance)
        });
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                readiness.failed(error);
                exit_now(1)
            }
        };
        instance.state().report_to(readiness);
        // Created before signals are unblocked, because this takes a lock that a handler tries to take.
        let context = instance.context();
        if B::WITH_SETUP {
            // The setup is the user's code, and processes that it starts inherit the mask.
            mask::unblock_all();
        }
        let value = self.set_up_body::<K, B>();
        let is_ready = value.is_ok() && self.plan.settings.wait().is_none();
        if is_ready && instance.state().ready().is_err() {
            drop(instance);
            exit_now(1);
        }
        if !B::WITH_SETUP {
            mask::unblock_all();
        }
        let ending = match value {
            Ok(value) => self.call(&context, body, value),
            Err(failure) => {
                failure.log(&self.plan.settings.name);
                // The launcher does not drop the body, so the daemon does.
                Ending::caught(|| {
                    drop(body);
                    failure
                })
            }
        };
        instance.state().failed(ending.reason());
        // Flushes what the body has printed. The exit handler removes the pidfile.
        process::exit(ending.code.into())
    }

    /// Takes the steps of [daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html) after the forks. Steps that
    /// need the caller's root directory or privileges come before these are given up.
    fn set_up<K, B: Body<M, K>>(&self) -> Result<InstanceGuard> {
        let Plan { settings, working_directory, .. } = self.plan;
        detach::reset_ignored_signals();
        detach::set_umask(settings.umask.unwrap_or(0o022));
        if settings.close_fds {
            detach::close_inherited();
        }
        let held = self.pidfile.acquire()?;
        let streams = Streams::new(self.plan);
        streams.redirect(held.id())?;
        self.confine()?;
        detach::enter(working_directory)?;
        self.drop_privileges()?;
        self.begin::<K, B>(held, Some(streams), ServiceManager::default())
    }

    /// Runs the daemon without the forks: the caller's streams and directory stay. Returns the body's exit code.
    pub(crate) fn run<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result<u8> {
        if let Some(mask) = self.plan.settings.umask {
            detach::set_umask(mask);
        }
        let blocked =
            AllBlocked::new().map_err(|errno| Error::os(format_args!("cannot block signals"), errno))?;
        let held = self.pidfile.acquire()?;
        let service_manager = ServiceManager::find(&self.plan.settings.name);
        self.confine()?;
        self.drop_privileges()?;
        let instance = self.begin::<K, B>(held, None, service_manager)?;
        let context = instance.context();
        let report_ready = || {
            if self.plan.settings.wait_ready.is_none() {
                // Without a launcher this cannot fail.
                let _ = instance.state().ready();
            }
        };
        if !B::WITH_SETUP {
            report_ready();
        }
        // The drop of `blocked` restores the mask again, since the caller may have blocked what `unblock` unblocks.
        blocked.restore();
        instance.unblock();
        let _watch = nested_runtime::Watch::begin();
        let code = match self.set_up_body::<K, B>() {
            Ok(value) => {
                if B::WITH_SETUP {
                    report_ready();
                }
                let ending = self.call(&context, body, value);
                instance.state().service_manager.stopping();
                Ok(ending.code)
            }
            Err(failure) => Err(Error::failed(format_args!("{}", failure.reason()))),
        };
        if nested_runtime::is_refused() { Err(preconditions::inside_runtime()) } else { code }
    }

    fn confine(&self) -> Result<()> {
        self.plan.chroot.as_ref().map_or(Ok(()), detach::confine)
    }

    fn drop_privileges(&self) -> Result<()> {
        self.identity.as_ref().map_or(Ok(()), Identity::take_on)
    }

    /// Installs the handlers. Streams are given in the background only.
    fn begin<K, B: Body<M, K>>(
        &self,
        held: HeldPidfile,
        streams: Option<Streams>,
        service_manager: ServiceManager,
    ) -> Result<InstanceGuard> {
        let stop_mode = match (B::GRACEFUL, &streams) {
            (false, _) => StopMode::Abrupt,
            (true, Some(_)) => StopMode::Graceful,
            (true, None) => StopMode::GracefulForeground,
        };
        InstanceGuard::begin(InstanceOptions {
            name: &self.plan.settings.name,
            stop_signal: self.plan.settings.stop_signal.raw(),
            stop_mode,
            has_context: B::WITH_CONTEXT,
            streams,
            service_manager,
            held,
        })
    }

    /// Makes the value that the body borrows. As with `call`, nothing may unwind from here.
    fn set_up_body<K, B: Body<M, K>>(&self) -> std::result::Result<B::Value, Ending> {
        Ending::catching(|| B::set_up(self.mode))
    }

    /// Calls the body. Nothing may unwind from here into what the caller of the action would do next.
    fn call<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        context: &Context,
        body: B,
        value: B::Value,
    ) -> Ending {
        let name = &self.plan.settings.name;
        let ending = Ending::caught(|| body.live(self.mode, value, name, context));
        ending.log(name);
        ending
    }
}
