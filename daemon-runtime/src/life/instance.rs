//! The daemons of this process, as its signal handlers see them.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, raise};

use crate::life::in_unit::is_in_service;
use crate::life::notice::Notice;
use crate::life::readiness::News;
use crate::life::self_pipe::Pipe;
use crate::life::state::State;
use crate::life::streams::Streams;
use crate::life::{event, log};
use crate::lock::calls::WAKING;
use crate::lock::failure::{Exit, Failure};
use crate::lock::held::HeldPidfile;
use crate::sys::file::FileId;
use crate::sys::mask::{self, AllBlocked};
use crate::sys::process::{ProcessId, at_exit, exit_now};
use crate::sys::sigaction;

/// The effect of a stop signal on a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// It ends the process at once.
    Abrupt,
    /// It sets the flag, and the body returns when it can.
    Graceful,
    /// It sets the flag, and a second Ctrl-C ends the process at once.
    GracefulForeground,
}

/// The place in which a daemon runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Detached from its caller.
    Background,
    /// In its caller's session, with its caller's streams.
    Foreground,
}

/// A daemon in this process.
///
/// Handlers may look at it in any thread at any time, so it is never freed. It costs some hundred bytes for each daemon
/// that a process has been. What it holds is released when the daemon ends.
pub(crate) struct Instance {
    pub(crate) stop_signal: Signal,
    pub(crate) stop_mode: StopMode,
    /// Whether this process reports stops and reloads. In the foreground the caller knows of them, and a supervisor
    /// reports them itself.
    pub(crate) reports_requests: bool,
    /// The streams that a reload reopens. None if there are none.
    pub(crate) streams: Option<Streams>,
    pub(crate) pidfile: FileId,
    pub(crate) held: Mutex<Option<HeldPidfile>>,
    pub(crate) state: State,
    /// Readable once a stop is requested, for `Context::as_fd`.
    pub(crate) pipe: Mutex<Option<Arc<Pipe>>>,
    /// Whether a signal that stops a daemon has come. What follows is not a failure.
    pub(crate) is_asked_to_stop: AtomicBool,
    pub(crate) has_ended: AtomicBool,
    pub(crate) next: OnceLock<&'static Instance>,
}

/// The instances of this process and of those that it was forked from, oldest first.
static INSTANCES: OnceLock<&'static Instance> = OnceLock::new();

/// Adds an instance to the list. Readers need no lock, because each link is set once.
pub(crate) fn add(instance: &'static Instance) -> nix::Result<()> {
    let mut link = &INSTANCES;
    while link.set(instance).is_err() {
        link = &link.get().expect("a link that cannot be set is set").next;
    }
    register_exit()
}

/// Returns the instances of this process that have not ended. Async-signal-safe.
pub(crate) fn current() -> impl Iterator<Item = &'static Instance> {
    let this = ProcessId::current();
    iter::successors(INSTANCES.get(), |instance| instance.next.get())
        .filter(move |instance| instance.state.owner == this && !instance.has_ended.load(Ordering::Acquire))
        .copied()
}

impl Instance {
    /// Acts on a signal. `decides` returns whether our handler decides if the signal ends a plain body: no handler of
    /// the program is below ours, and none was installed over it. Async-signal-safe.
    pub(crate) fn receive(&self, signal: Signal, decides: &dyn Fn() -> bool) {
        match signal {
            // The launcher is gone, so the start of a daemon that is not ready yet is cancelled.
            Signal::SIGIO if self.state.take_launcher_news() == News::Gone => end_by(Signal::SIGTERM),
            WAKING => self.state.attend_to_calls(),
            Signal::SIGHUP => self.reload(),
            Signal::SIGTERM | Signal::SIGINT => self.end(signal, decides),
            _ if signal == self.stop_signal => self.end(signal, decides),
            _ => {}
        }
    }

    fn reload(&self) {
        let obstacles = self.streams.as_ref().map_or([None, None], |streams| streams.reopen(self.pidfile));
        if self.emits_events() {
            self.state.deferred.reloading(obstacles);
        } else if let Some(streams) = &self.streams {
            for (path, obstacle) in streams.logs().into_iter().zip(obstacles) {
                if let Some(obstacle) = obstacle {
                    log::write_at_once(&self.state.name, Notice::CannotReopen { path, obstacle });
                }
            }
            self.write_request(Notice::Reloading);
        }
        self.state.request_reload();
    }

    /// Returns whether a thread of the body will emit events about requests. Async-signal-safe.
    fn emits_events(&self) -> bool {
        self.stop_mode != StopMode::Abrupt && event::has_subscriber()
    }

    /// Writes a line about a request, if this process reports them.
    fn write_request(&self, notice: Notice<'_>) {
        if self.reports_requests {
            log::write_at_once(&self.state.name, notice);
        }
    }

    fn end(&self, signal: Signal, decides: &dyn Fn() -> bool) {
        if !self.is_asked_to_stop.swap(true, Ordering::AcqRel) {
            if self.emits_events() {
                self.state.deferred.stopping(signal);
            } else {
                self.write_request(Notice::Stopping { signal });
            }
        }
        match self.stop_mode {
            // If a handler of the program is below ours, or is over ours and calls it, as those of signal-hook and
            // tokio do, the program wants to receive this signal itself.
            StopMode::Abrupt if decides() => end_by(signal),
            StopMode::Abrupt => {}
            StopMode::Graceful | StopMode::GracefulForeground => {
                let is_first = self.request_stop();
                if is_first {
                    self.state.service_manager.stopping();
                } else if signal == Signal::SIGINT && self.stop_mode == StopMode::GracefulForeground {
                    end_by(signal);
                }
            }
        }
    }

    /// Requests a stop in every way that a body can wait for it, and returns whether it is the first request.
    /// Async-signal-safe.
    pub(crate) fn request_stop(&self) -> bool {
        let is_first = self.state.flag.stop();
        if is_first {
            if let Ok(Some(pipe)) = self.pipe.try_lock().as_deref() {
                pipe.write();
            }
        }
        is_first
    }

    /// Leaves the pidfile with the reason, if the daemon has been ready and fails by itself. Under its unit it need not
    /// have been ready, since no launcher has reported the failure.
    pub(crate) fn leave_pidfile(&self, exit: Exit, message: Option<&str>) {
        let is_asked_to_stop = self.is_asked_to_stop.load(Ordering::Acquire);
        if exit == Exit::Code(0) || is_asked_to_stop || !(self.state.has_been_ready() || is_in_service()) {
            return;
        }
        // A handler in this thread must not wait for a lock that this thread has.
        let _blocked = AllBlocked::new();
        if let Ok(Some(held)) = self.held.try_lock().as_deref() {
            held.leave(&Failure::now(exit, message.map(str::to_owned)));
        }
    }

    /// Removes the pidfile, unless it has the reason of a death. If another thread is just removing it, waits for that
    /// for at most a second. Async-signal-safe.
    fn remove_pidfile(&self) {
        const MOST_LOOKS: u32 = 1000;
        for _ in 0..MOST_LOOKS {
            match self.held.try_lock() {
                Err(TryLockError::WouldBlock) => drop(poll(&mut [], PollTimeout::from(1_u8))),
                Err(TryLockError::Poisoned(_)) => return,
                Ok(held) => return held.iter().for_each(HeldPidfile::remove),
            }
        }
    }
}

/// Ends the process by a signal, as if it had no handler, but without leaving pidfiles. Async-signal-safe.
pub(crate) fn end_by(signal: Signal) {
    current().for_each(Instance::remove_pidfile);
    sigaction::reset(signal as i32);
    let _ = raise(signal);
    mask::unblock(&[signal]);
    // Reached by process 1 of a container, or for a signal whose default action does not end a process.
    exit_now(128 + u8::try_from(signal as i32).unwrap_or(0));
}

/// Reports to launchers that still wait, and leaves or removes pidfiles, because the process is about to end. The exit
/// is unknown where the system does not report it.
pub(crate) fn end_all(reason: &str, exit: Option<Exit>, message: Option<&str>) {
    for instance in current() {
        if let Some(exit) = exit {
            instance.leave_pidfile(exit, message);
        }
        if message.is_none() || !instance.state.ended(message) {
            instance.state.failed(reason);
        }
        instance.remove_pidfile();
    }
}

/// Registers an exit handler that leaves or removes the pidfiles, for a body that ends the process by
/// `std::process::exit`.
fn register_exit() -> nix::Result<()> {
    fn before_exit(code: Option<u8>) {
        end_all("exited before it was ready", code.map(Exit::Code), None);
    }
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if REGISTERED.swap(true, Ordering::AcqRel) { Ok(()) } else { at_exit(before_exit) }
}
