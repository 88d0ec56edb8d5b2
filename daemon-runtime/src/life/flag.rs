//! The requests to stop or reload, which signal handlers set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::life::word::Word;
use crate::sys::clock::now;
use crate::sys::timer::Timer;

/// The requests that signal handlers set and that waiting threads sleep on.
///
/// The lowest bit of the word says that the daemon must stop, the next one that the current run must. The other bits
/// count the reloads, the runs that had to stop, and the calls, so that each of them changes the word.
pub(crate) struct Flag {
    word: Word,
    reload: AtomicBool,
    #[cfg(feature = "tokio")]
    pub(crate) alarm: Alarm,
}

/// The means by which a flag wakes its async waiters.
#[cfg(feature = "tokio")]
#[derive(Default)]
pub(crate) struct Alarm {
    pub(crate) waiters: tokio::sync::Notify,
    /// Set once the thread that wakes them has begun.
    pub(crate) thread: std::sync::OnceLock<()>,
}

const STOP: u32 = 1;
const RUN_IS_OVER: u32 = 2;
const RELOAD: u32 = 4;

impl Flag {
    pub(crate) fn new(timer: Option<Arc<Timer>>) -> nix::Result<Self> {
        Ok(Self {
            word: Word::new(timer)?,
            reload: AtomicBool::new(false),
            #[cfg(feature = "tokio")]
            alarm: Alarm::default(),
        })
    }

    /// Returns whether the body must return: the daemon stops, or the time of the run is over.
    pub(crate) fn is_stopping(&self) -> bool {
        self.word.get() & (STOP | RUN_IS_OVER) != 0
    }

    /// Returns whether the daemon must stop.
    pub(crate) fn is_daemon_stopping(&self) -> bool {
        self.word.get() & STOP != 0
    }

    /// Requests the end of the current run.
    pub(crate) fn end_run(&self) {
        self.word.set(RUN_IS_OVER);
    }

    /// Takes that request back. There must be one, because this adds to the word.
    pub(crate) fn run_has_ended(&self) {
        // The bit carries over into the count, so the word is a new one.
        self.word.add(RUN_IS_OVER);
    }

    /// Requests a stop, and returns whether it is the first request. Async-signal-safe.
    pub(crate) fn stop(&self) -> bool {
        self.word.set(STOP) & STOP == 0
    }

    /// Requests a reload. Async-signal-safe.
    pub(crate) fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.word.add(RELOAD);
    }

    /// Returns whether a reload is requested that has not been taken.
    pub(crate) fn has_reload(&self) -> bool {
        self.reload.load(Ordering::Acquire)
    }

    /// Wakes the threads that sleep, so that they look for what they want. Async-signal-safe.
    pub(crate) fn wake(&self) {
        self.word.add(RELOAD);
    }

    /// Returns whether a reload has been requested since the last call.
    pub(crate) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }

    /// Returns a number that changes with every request.
    #[cfg(feature = "tokio")]
    pub(crate) fn version(&self) -> u32 {
        self.word.get()
    }

    /// Sleeps until `wanted` returns something or the deadline has passed.
    pub(crate) fn sleep<T>(&self, deadline: Option<Duration>, wanted: impl Fn() -> Option<T>) -> Option<T> {
        loop {
            let seen = self.word.get();
            if let Some(found) = wanted() {
                return Some(found);
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                return None;
            }
            self.word.sleep(seen, deadline);
        }
    }

    /// Sleeps until `wanted` returns something, until a moment of the timer's clock, until that is set, or until this
    /// time is over. May return early.
    ///
    /// # Errors
    ///
    /// Fails if the timer cannot be used.
    pub(crate) fn sleep_on<T>(
        &self,
        timer: &Timer,
        until: Duration,
        timeout: Option<Duration>,
        wanted: impl Fn() -> Option<T>,
    ) -> nix::Result<Option<T>> {
        let seen = self.word.get();
        if let Some(found) = wanted() {
            return Ok(Some(found));
        }
        self.word.sleep_on(timer, seen, until, timeout)?;
        Ok(wanted())
    }

    /// Closes the timer, once no thread sleeps on it.
    pub(crate) fn close(&self) {
        self.word.close();
    }
}
