//! The steps of a start, in the launcher, in the daemon, in the foreground.

use std::cell::OnceCell;
use std::mem;
use std::process;
use std::sync::Arc;

use nix::unistd::Pid;

use crate::command::error::{Error, Result};
use crate::command::respawn::Respawn;
use crate::life::body::{Body, BodyResult, Ending};
use crate::life::context::Context;
use crate::life::guard::{InstanceGuard, InstanceOptions};
use crate::life::in_unit::is_by_timer;
use crate::life::instance::{Place, StopMode};
use crate::life::last_success::StateFile;
use crate::life::nested_runtime;
use crate::life::notify::ServiceManager;
use crate::life::readiness::Readiness;
use crate::life::repetition::Repetition;
use crate::life::run_record::RunRecord;
use crate::life::streams::Streams;
use crate::lock::calls::Calls;
use crate::lock::held::{HeldPidfile, PublishingFile};
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::settings::{BodyCalls, Plan, StateChoice, Wait};
use crate::start::detach;
use crate::start::fork::{Side, fork_daemon};
use crate::start::identity::Identity;
use crate::start::preconditions::{self, Forkable};
use crate::start::state_directory;
use crate::supervise::life::{BodySide, end_with_supervisor};
use crate::supervise::supervisor::{self, Supervisor, SupervisorOptions};
use crate::sys::file::FileId;
use crate::sys::mask::{self, AllBlocked};
use crate::sys::process::{SingleThread, exit_now};
use crate::sys::procfs::Status;
use crate::timing::Timing;

/// A start whose preconditions are checked, with all that must be looked up before the fork.
pub(crate) struct Startup<'a, M> {
    plan: &'a Plan<'a>,
    pidfile: &'a Pidfile,
    mode: &'a M,
    identity: Option<Identity>,
    /// Where the time of the last success will be kept.
    state: Option<StateChoice>,
    /// The same file, once its directory is open.
    state_file: OnceCell<Arc<StateFile>>,
}

/// Refuses keys that do not fit the body, looks up the user and the group, and then runs the user's
/// [`check`](crate::Daemon::check).
///
/// This needs no privileges.
pub(crate) fn check<M, K, B: Body<M, K>>(plan: &Plan<'_>, mode: &M) -> Result<Option<Identity>> {
    if plan.settings.wait_ready.is_some() && !B::WITH_CONTEXT {
        return Err(Error::failed(format_args!(
            "`wait_ready` needs a body with a `Context`, which reports that it is ready"
        )));
    }
    let identity = Identity::look_up(plan.settings.user.as_ref(), plan.settings.group.as_ref())?;
    plan.settings.state_file(plan)?;
    B::check(mode)?;
    Ok(identity)
}

impl<'a, M> Startup<'a, M> {
    /// Calls [`check`], and refuses a change of user without root's privileges.
    pub(crate) fn prepare<K, B: Body<M, K>>(
        plan: &'a Plan<'a>,
        pidfile: &'a Pidfile,
        mode: &'a M,
    ) -> Result<Self> {
        Self::of_checked(plan, pidfile, mode, check::<M, K, B>(plan, mode)?)
    }

    /// Does what [`prepare`](Self::prepare) does, with the identity that an earlier [`check`] has found.
    pub(crate) fn of_checked(
        plan: &'a Plan<'a>,
        pidfile: &'a Pidfile,
        mode: &'a M,
        identity: Option<Identity>,
    ) -> Result<Self> {
        identity.as_ref().map_or(Ok(()), Identity::require_root)?;
        let state = plan.settings.state_file(plan)?;
        state.as_ref().map_or(Ok(()), |state| state_directory::make(state, identity.as_ref()))?;
        Ok(Self { plan, pidfile, mode, identity, state, state_file: OnceCell::new() })
    }

    /// Forks the daemon, and returns its PID once it is ready. Returns only in the launcher, and leaves `body` filled
    /// unless the daemon may have called it.
    pub(crate) fn launch<K, B: Body<M, K, Output: BodyResult>>(
        self,
        Forkable { thread, status }: Forkable,
        body: &mut Option<B>,
    ) -> Result<Pid> {
        if let Presence::Running { pid, .. } = self.pidfile.presence()? {
            return Err(Error::already_running(pid));
        }
        match fork_daemon(thread)? {
            Side::Launcher(mut launcher) => {
                let pid = launcher.wait(self.pidfile, self.plan);
                if launcher.has_begun() {
                    // What the body has captured is the daemon's now: dropping it here too would, for example, remove
                    // a temporary directory that the daemon uses.
                    mem::forget(body.take());
                }
                pid
            }
            Side::Daemon(readiness, thread) => {
                let body = body.take().expect("a body is launched once");
                self.be_daemon(readiness, &thread, &status, body)
            }
        }
    }

    /// Runs the daemon, from the second fork to its exit.
    fn be_daemon<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        mut readiness: Readiness,
        thread: &SingleThread,
        caller: &Status,
        body: B,
    ) -> ! {
        if self.plan.settings.is_supervised() {
            self.be_supervisor(readiness, thread, caller, body);
        }
        let begun = self.open(caller).and_then(|(held, streams)| {
            self.confine()?;
            detach::enter(&self.plan.working_directory)?;
            self.drop_privileges()?;
            let (id, manager) = (held.id(), ServiceManager::default());
            let place = Place::Background;
            let publishing = held.file();
            let held = (Some(held), Some(publishing));
            let mut instance = self.begin::<K, B>(place, id, held, Some(streams), manager)?;
            // A setup may take long. If the launcher goes meanwhile, the daemon ends.
            let must_wait = self.plan.settings.wait().is_some() || B::WITH_SETUP;
            let is_awaited = !must_wait || instance.await_launcher(&mut readiness)?;
            Ok((instance, is_awaited))
        });
        let (instance, is_awaited) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                readiness.failed(error);
                exit_now(1)
            }
        };
        if is_awaited {
            instance.state().report_to(readiness);
        } else {
            drop(readiness);
            instance.state().released();
        }
        let is_ready_at_once = self.plan.settings.wait().is_none();
        self.live(instance, body, is_ready_at_once, true, &|_| mask::unblock_all())
    }

    /// Runs the supervisor, from the second fork to its exit, and the body in its children.
    fn be_supervisor<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        readiness: Readiness,
        thread: &SingleThread,
        caller: &Status,
        body: B,
    ) -> ! {
        let supervisor = self.open(caller).and_then(|(held, streams)| {
            // Otherwise the file system of the caller's directory could not be unmounted.
            detach::enter_root()?;
            self.supervisor(Place::Background, held, Some(streams), ServiceManager::default())
        });
        let launched = match supervisor {
            Ok(supervisor) => supervisor.reporting_to(readiness),
            Err(error) => Err((readiness, error)),
        };
        let supervisor = launched.unwrap_or_else(|(readiness, error)| {
            readiness.failed(error);
            exit_now(1)
        });
        match supervisor.supervise(thread) {
            supervisor::Side::Body(process) => {
                let is_ready_at_once = match self.plan.settings.wait() {
                    None => true,
                    Some(Wait::Alive(_)) => !process.is_first,
                    Some(Wait::Ready(_)) => false,
                };
                let streams = Streams::new(self.plan);
                let place = Place::Background;
                self.be_body(place, *process, body, Some(streams), is_ready_at_once, &|_| mask::unblock_all())
            }
            supervisor::Side::Supervisor(end) => {
                self.release(body);
                let code = end.code();
                if let Some((launcher, error)) = end.into_report() {
                    launcher.failed(error);
                }
                exit_now(code)
            }
        }
    }

    /// Runs the process of a supervised body, from the fork to its exit.
    fn be_body<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        place: Place,
        process: BodySide,
        body: B,
        streams: Option<Streams>,
        is_ready_at_once: bool,
        unblock: &dyn Fn(&InstanceGuard),
    ) -> ! {
        let BodySide { supervisor, pidfile, publishing, mut readiness, service_manager, respawned, .. } =
            process;
        let has_log = place == Place::Background;
        let begun = self.confine().and_then(|()| {
            if has_log {
                detach::enter(&self.plan.working_directory)?;
            }
            self.drop_privileges()?;
            end_with_supervisor(supervisor)?;
            let instance =
                self.begin::<K, B>(place, pidfile, (None, publishing), streams, service_manager)?;
            let cannot = |error| Error::io(format_args!("cannot report to the supervisor"), &error);
            // A body that closes descriptors it does not know may have a file of its own under the channel's number.
            readiness.remember_channel().map_err(cannot)?;
            instance.state().report_end_to(readiness.try_clone().map_err(cannot)?);
            if let Some((respawns, reason)) = &respawned {
                instance.state().deferred.respawned(*respawns, reason);
            }
            Ok(instance)
        });
        match begun {
            Ok(instance) => {
                instance.state().report_to(readiness);
                self.live(instance, body, is_ready_at_once, has_log, unblock)
            }
            Err(error) => {
                readiness.failed(error);
                if self.plan.settings.respawn == Respawn::Never {
                    // The supervisor does not drop the body, so this process does.
                    drop_caught(body);
                }
                exit_now(1)
            }
        }
    }

    /// Runs the body in this process, which then exits. In the foreground there is no log, and the supervisor reports
    /// why a body cannot be called.
    fn live<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        instance: InstanceGuard,
        body: B,
        is_ready_at_once: bool,
        has_log: bool,
        unblock: &dyn Fn(&InstanceGuard),
    ) -> ! {
        // Created before signals are unblocked, because this takes a lock that a handler tries to take.
        let context = instance.context();
        if B::WITH_SETUP {
            // The setup is the user's code, and processes that it starts inherit the mask.
            unblock(&instance);
        }
        let value = self.set_up_body::<K, B>();
        if value.is_ok() && is_ready_at_once && instance.state().ready().is_err() {
            drop(instance);
            exit_now(1);
        }
        if value.is_ok() && self.plan.settings.wait_ready.is_none() {
            // With `wait_alive`, no report follows.
            instance.state().running();
        }
        if !B::WITH_SETUP {
            unblock(&instance);
        }
        let ending = match value {
            Ok(value) => self.call(&context, body, value),
            Err(failure) => {
                if has_log {
                    failure.report(&self.plan.settings.name);
                }
                instance.state().refused(failure.reason());
                // The launcher does not drop the body, so the daemon does. With `respawn`, its supervisor does.
                Ending::caught(|| {
                    if self.plan.settings.respawn == Respawn::Never {
                        drop(body);
                    } else {
                        mem::forget(body);
                    }
                    failure
                })
            }
        };
        instance.leave_pidfile(&ending);
        if !instance.state().ended(ending.message()) {
            instance.state().failed(ending.reason());
        }
        // Flushes what the body has printed. The exit handler removes a pidfile without a reason.
        process::exit(ending.code.into())
    }

    /// Drops the body in the supervisor, if each life has called it by reference. Otherwise the process that has called
    /// the body has dropped it.
    fn release<B>(&self, body: B) {
        if self.plan.settings.respawn == Respawn::Never {
            mem::forget(body);
        } else {
            drop_caught(body);
        }
    }

    /// Takes the steps of [daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html) after the forks that need the
    /// caller's root directory or privileges.
    fn open(&self, caller: &Status) -> Result<(HeldPidfile, Streams)> {
        let Plan { settings, .. } = self.plan;
        detach::reset_ignored_signals(caller);
        detach::set_umask(settings.umask.unwrap_or(0o022));
        if settings.close_fds {
            detach::close_inherited(caller);
        }
        let held = self.acquire()?;
        let streams = Streams::new(self.plan);
        streams.redirect(held.id())?;
        Ok((held, streams))
    }

    fn supervisor(
        &self,
        place: Place,
        held: HeldPidfile,
        streams: Option<Streams>,
        service_manager: ServiceManager,
    ) -> Result<Supervisor<'_>> {
        let settings = self.plan.settings;
        Supervisor::begin(SupervisorOptions { settings, held, place, streams, service_manager })
    }

    /// Runs the daemon without the forks of a start: the caller's streams and directory stay. Returns the body's exit
    /// code. Leaves `body` filled if the pidfile cannot be locked.
    pub(crate) fn run<K, B: Body<M, K, Output: BodyResult>>(&self, body: &mut Option<B>) -> Result<u8> {
        if self.plan.settings.is_supervised() {
            return self.run_supervised(body);
        }
        if let Some(mask) = self.plan.settings.umask {
            detach::set_umask(mask);
        }
        let blocked = block()?;
        let held = self.acquire()?;
        let body = body.take().expect("a body runs once");
        let service_manager = self.find_service_manager();
        let streams = Streams::of_foreground(self.plan);
        self.confine()?;
        self.drop_privileges()?;
        let (place, id) = (Place::Foreground, held.id());
        let publishing = held.file();
        let held = (Some(held), Some(publishing));
        let instance = self.begin::<K, B>(place, id, held, streams, service_manager)?;
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
                if !nested_runtime::is_refused() {
                    instance.leave_pidfile(&ending);
                }
                Ok(ending.code)
            }
            Err(failure) => Err(Error::failed(format_args!("{}", failure.reason()))),
        };
        if nested_runtime::is_refused() { Err(preconditions::inside_runtime()) } else { code }
    }

    /// Supervises in the foreground. Returns the exit code of the body's last life.
    fn run_supervised<K, B: Body<M, K, Output: BodyResult>>(&self, body: &mut Option<B>) -> Result<u8> {
        let Forkable { thread, .. } = preconditions::check_in_foreground()?;
        if let Some(mask) = self.plan.settings.umask {
            detach::set_umask(mask);
        }
        let blocked = block()?;
        let held = self.acquire()?;
        let body = body.take().expect("a body runs once");
        let service_manager = self.find_service_manager();
        let streams = Streams::of_foreground(self.plan);
        let supervisor = self.supervisor(Place::Foreground, held, streams.clone(), service_manager)?;
        match supervisor.supervise(&thread) {
            supervisor::Side::Body(process) => {
                let is_ready_at_once = self.plan.settings.wait_ready.is_none();
                self.be_body(Place::Foreground, *process, body, streams, is_ready_at_once, &|instance| {
                    blocked.restore();
                    instance.unblock();
                })
            }
            supervisor::Side::Supervisor(end) => {
                self.release(body);
                drop(blocked);
                end.into_code()
            }
        }
    }

    /// Takes the pidfile's lock, and opens the directory of the state file, both with the caller's privileges and root
    /// directory.
    fn acquire(&self) -> Result<HeldPidfile> {
        let held = self.pidfile.acquire(self.plan.settings.is_supervised())?;
        if let Some(state) = &self.state {
            let file = StateFile::open(state.path(), held.id())?;
            let _ = self.state_file.set(Arc::new(file));
        }
        Ok(held)
    }

    fn find_service_manager(&self) -> ServiceManager {
        let settings = self.plan.settings;
        ServiceManager::find(&settings.name, settings.stop_timeout.saturating_add(settings.grace()))
    }

    fn confine(&self) -> Result<()> {
        self.plan.chroot.as_ref().map_or(Ok(()), detach::confine)
    }

    fn drop_privileges(&self) -> Result<()> {
        self.identity.as_ref().map_or(Ok(()), Identity::take_on)
    }

    /// Begins the daemon's life in this process: makes its state, and installs its signal handlers.
    fn begin<K, B: Body<M, K>>(
        &self,
        place: Place,
        pidfile: FileId,
        (held, publishing): (Option<HeldPidfile>, Option<PublishingFile>),
        streams: Option<Streams>,
        service_manager: ServiceManager,
    ) -> Result<InstanceGuard> {
        let stop_mode = match (B::GRACEFUL, place) {
            (false, _) => StopMode::Abrupt,
            (true, Place::Background) => StopMode::Graceful,
            (true, Place::Foreground) => StopMode::GracefulForeground,
        };
        let state_file = self.state_file.get().cloned();
        state_file.as_ref().map_or(Ok(()), |file| file.require_writable())?;
        let instance = InstanceGuard::begin(InstanceOptions {
            name: &self.plan.settings.name,
            stop_signal: self.plan.settings.stop_signal.raw(),
            stop_mode,
            has_context: B::WITH_CONTEXT,
            timer: self.plan.settings.timing.as_ref().and_then(Timing::timer_clock),
            place,
            streams,
            service_manager,
            pidfile,
            held,
            repetition: Repetition {
                stop_timeout: self.plan.settings.stop_timeout,
                calls: publishing.filter(|_| B::REPEATS).map(Calls::new),
                record: RunRecord::default(),
                state_file,
                is_single_run: self.plan.settings.calls == BodyCalls::SingleRun || is_by_timer(),
            },
        })?;
        if self.plan.settings.wait_ready.is_some() || B::WITH_SETUP {
            instance.state().listen();
        }
        Ok(instance)
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
        context.emit_deferred();
        let ending = Ending::caught(|| body.live(self.mode, value, name, context));
        context.report_deferred();
        ending.report(name);
        ending
    }
}

/// Drops what a body has captured. Nothing may unwind from here.
fn drop_caught<B>(body: B) {
    let _ = Ending::caught(|| {
        drop(body);
        Ending::SUCCESS
    });
}

fn block() -> Result<AllBlocked> {
    AllBlocked::new().map_err(|errno| Error::os(format_args!("cannot block signals"), errno))
}
