//! The notices that are left to the body's threads, which alone may emit events.
//!
//! A signal handler may not call a subscriber, and the supervisor does not have the body's. They leave a notice here,
//! and the body emits it in its next call of a [`Context`](crate::Context) that waits, or at its end.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::command::path::SystemPath;
use crate::life::notice::{Notice, Obstacle};
use crate::life::{event, log};

/// The notices that wait for a thread of the body.
pub(crate) struct Deferred {
    name: String,
    /// The logs that a reload reopens. None in the foreground.
    logs: Option<[SystemPath; 2]>,
    is_waiting: AtomicBool,
    /// The signal that has requested a stop. 0 if there is none.
    stopping: AtomicI32,
    is_reloading: AtomicBool,
    /// Why each log cannot be reopened, as [`encode`] writes it. 0 if it can.
    obstacles: [AtomicI32; 2],
    /// The number of respawns, with the end of the life before.
    respawned: Mutex<Option<(u32, String)>>,
}

impl Deferred {
    pub(crate) fn new(name: &str, logs: Option<[&SystemPath; 2]>) -> Self {
        Self {
            name: name.to_owned(),
            logs: logs.map(|logs| logs.map(Clone::clone)),
            is_waiting: AtomicBool::new(false),
            stopping: AtomicI32::new(0),
            is_reloading: AtomicBool::new(false),
            obstacles: [AtomicI32::new(0), AtomicI32::new(0)],
            respawned: Mutex::new(None),
        }
    }

    /// Leaves the notice that a stop is requested. Async-signal-safe.
    pub(crate) fn stopping(&self, signal: Signal) {
        self.stopping.store(signal as i32, Ordering::Release);
        self.is_waiting.store(true, Ordering::Release);
    }

    /// Leaves the notice that a reload is requested, with what has kept the logs from being reopened.
    /// Async-signal-safe.
    pub(crate) fn reloading(&self, obstacles: [Option<Obstacle>; 2]) {
        for (place, obstacle) in self.obstacles.iter().zip(obstacles) {
            if let Some(obstacle) = obstacle {
                place.store(encode(obstacle), Ordering::Release);
            }
        }
        self.is_reloading.store(true, Ordering::Release);
        self.is_waiting.store(true, Ordering::Release);
    }

    /// Leaves the notice that this is a further life of the body, and how the one before has ended.
    pub(crate) fn respawned(&self, respawns: u32, reason: &str) {
        *self.respawned.lock().unwrap_or_else(PoisonError::into_inner) = Some((respawns, reason.to_owned()));
        self.is_waiting.store(true, Ordering::Release);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Acquire)
    }

    /// Emits the notices as events, if the process has a subscriber. Otherwise they keep waiting.
    pub(crate) fn emit(&self) {
        if event::has_subscriber() {
            self.report();
        }
    }

    /// Reports the notices, because no later call will.
    pub(crate) fn report(&self) {
        if !self.is_waiting.swap(false, Ordering::AcqRel) {
            return;
        }
        let respawned = self.respawned.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((respawns, reason)) = &respawned {
            // The supervisor has written a line.
            event::emit(&self.name, Notice::Respawned { respawns: *respawns, reason });
        }
        for (place, path) in self.obstacles.iter().zip(self.logs.iter().flatten()) {
            if let Some(obstacle) = decode(place.swap(0, Ordering::AcqRel)) {
                log::report(&self.name, Notice::CannotReopen { path, obstacle });
            }
        }
        if self.is_reloading.swap(false, Ordering::AcqRel) {
            log::report(&self.name, Notice::Reloading);
        }
        if let Ok(signal) = Signal::try_from(self.stopping.swap(0, Ordering::AcqRel)) {
            log::report(&self.name, Notice::Stopping { signal });
        }
    }
}

const OUTSIDE_CHROOT: i32 = -1;
const IS_PIDFILE: i32 = -2;

/// Encodes an obstacle as a number other than 0, which a handler can store.
fn encode(obstacle: Obstacle) -> i32 {
    match obstacle {
        Obstacle::OutsideChroot => OUTSIDE_CHROOT,
        Obstacle::IsPidfile => IS_PIDFILE,
        Obstacle::Os(errno) => errno as i32,
    }
}

fn decode(code: i32) -> Option<Obstacle> {
    match code {
        0 => None,
        OUTSIDE_CHROOT => Some(Obstacle::OutsideChroot),
        IS_PIDFILE => Some(Obstacle::IsPidfile),
        code => Some(Obstacle::Os(Errno::from_raw(code))),
    }
}
