//! The beginning of a daemon's life in this process, with a guard for its end.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::command::error::{Error, Result};
use crate::life::body::Ending;
use crate::life::context::Context;
use crate::life::deferred::Deferred;
use crate::life::flag::Flag;
use crate::life::handlers;
use crate::life::instance::{self, Instance, Place, StopMode};
use crate::life::notify::ServiceManager;
use crate::life::panic;
use crate::life::readiness::{News, Readiness};
use crate::life::repetition::Repetition;
use crate::life::self_pipe::Pipe;
use crate::life::state::State;
use crate::life::streams::Streams;
use crate::lock::calls::WAKING;
use crate::lock::failure::Exit;
use crate::lock::held::HeldPidfile;
use crate::sys::file::FileId;
use crate::sys::mask::{self, AllBlocked};
use crate::sys::process::ProcessId;
use crate::sys::sigaction;
use crate::sys::timer::{Timer, TimerClock};

/// The options with which a daemon's life begins.
pub(crate) struct InstanceOptions<'a> {
    pub(crate) name: &'a str,
    pub(crate) stop_signal: Signal,
    pub(crate) stop_mode: StopMode,
    /// Whether the body has a `Context`, whose descriptor then exists.
    pub(crate) has_context: bool,
    /// The clock of the timer by which the daemon waits for its runs, if there is one.
    pub(crate) timer: Option<TimerClock>,
    pub(crate) place: Place,
    /// The streams that a reload reopens. None if there are none.
    pub(crate) streams: Option<Streams>,
    pub(crate) service_manager: ServiceManager,
    pub(crate) pidfile: FileId,
    /// None for a supervised body, whose supervisor holds the pidfile.
    pub(crate) held: Option<HeldPidfile>,
    pub(crate) repetition: Repetition,
}

/// A daemon whose life has begun: its signals are handled, and an exit of the process leaves or removes its pidfile.
#[must_use = "dropping this restores the handlers, and removes a pidfile without the reason of a death"]
pub(crate) struct InstanceGuard {
    instance: &'static Instance,
    signals: Vec<Signal>,
    timer: Option<Arc<Timer>>,
}

impl InstanceGuard {
    /// Begins a daemon's life: makes its state, and installs its signal handlers.
    pub(crate) fn begin(options: InstanceOptions<'_>) -> Result<Self> {
        let InstanceOptions {
            name,
            stop_signal,
            stop_mode,
            has_context,
            timer,
            place,
            streams,
            service_manager,
            pidfile,
            held,
            repetition,
        } = options;
        let cannot = |errno| Error::os(format_args!("cannot install the signal handlers"), errno);
        let timer = timer.map(Timer::new).transpose();
        let timer =
            timer.map_err(|errno| Error::os(format_args!("cannot make a timer"), errno))?.map(Arc::new);
        let flag = Flag::new(timer.clone()).map_err(cannot)?;
        let pipe = has_context.then(Pipe::new).transpose().map_err(cannot)?;
        let instance: &'static Instance = Box::leak(Box::new(Instance {
            stop_signal,
            stop_mode,
            pidfile,
            state: State::new(
                name,
                ProcessId::track(),
                flag,
                service_manager,
                Deferred::new(name, streams.as_ref().map(Streams::logs)),
                held.as_ref(),
                repetition,
            ),
            reports_requests: place == Place::Background && held.is_some(),
            streams,
            held: Mutex::new(held),
            pipe: Mutex::new(pipe.map(Arc::new)),
            is_asked_to_stop: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            next: OnceLock::new(),
        }));
        panic::hook();
        // On some systems the first lock of a mutex allocates, which must not happen in a handler.
        drop((lock(&instance.held), lock(&instance.pipe)));
        let mut guard = Self { instance, signals: Vec::new(), timer };
        instance::add(instance).map_err(cannot)?;
        for signal in [Signal::SIGTERM, stop_signal] {
            guard.handle(signal).map_err(cannot)?;
        }
        for signal in [Signal::SIGINT, Signal::SIGHUP] {
            // In the foreground the caller may have ignored it: `nohup`, or a shell for `run &`.
            if place == Place::Background || !sigaction::is_ignored(signal as i32) {
                guard.handle(signal).map_err(cannot)?;
            }
        }
        if guard.instance.state.repetition.calls.is_some() {
            guard.handle(WAKING).map_err(cannot)?;
        }
        Ok(guard)
    }

    fn handle(&mut self, signal: Signal) -> nix::Result<()> {
        if !self.signals.contains(&signal) {
            handlers::install(signal, self.instance.state.owner)?;
            self.signals.push(signal);
        }
        Ok(())
    }

    /// Waits until the launcher watches this process. From then on, this process ends if the launcher ends before the
    /// body is ready. Returns whether the launcher still waits for the body.
    pub(crate) fn await_launcher(&mut self, readiness: &mut Readiness) -> Result<bool> {
        let cannot = |error| Error::io(format_args!("cannot prepare for the body's readiness"), &error);
        self.handle(Signal::SIGIO).map_err(|errno| cannot(errno.into()))?;
        match readiness.await_launcher(self.instance.state.owner.pid()).map_err(cannot)? {
            News::None => Ok(true),
            News::Released => Ok(false),
            News::Gone => Err(cannot(Errno::EPIPE.into())),
        }
    }

    /// Makes a context for the body.
    pub(crate) fn context(&self) -> Context {
        let pipe = lock(&self.instance.pipe).clone();
        // A handler in another thread writes nothing while this thread has the lock.
        fence(Ordering::SeqCst);
        if let Some(pipe) = pipe.as_ref().filter(|_| self.instance.state.flag.is_daemon_stopping()) {
            pipe.write();
        }
        Context::new(&self.instance.state, pipe, self.timer.clone())
    }

    /// Returns what the daemon shares with its body.
    pub(crate) fn state(&self) -> &'static State {
        &self.instance.state
    }

    /// Leaves the pidfile with the reason of this end, if it is a failure of a daemon that has been ready.
    pub(crate) fn leave_pidfile(&self, ending: &Ending) {
        self.instance.leave_pidfile(Exit::Code(ending.code), ending.message());
    }

    /// Unblocks the signals that the daemon handles.
    pub(crate) fn unblock(&self) {
        mask::unblock(&self.signals);
    }
}

impl Drop for InstanceGuard {
    fn drop(&mut self) {
        // The pidfile goes first, so that a signal to the lock's holder still meets the handlers. Signals are blocked,
        // because one could end this process halfway.
        let blocked = AllBlocked::new();
        self.instance.state.close();
        drop(lock(&self.instance.held).take());
        drop(blocked);
        for signal in &self.signals {
            handlers::uninstall(*signal);
        }
        self.instance.has_ended.store(true, Ordering::Release);
        // Threads that still wait for a stop need not wait any longer.
        self.instance.request_stop();
        drop(lock(&self.instance.pipe).take());
        self.instance.state.flag.close();
        self.instance.state.service_manager.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
