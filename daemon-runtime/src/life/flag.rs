//! The requests to stop or reload, which signal handlers set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::life::word::Word;
use crate::sys::clock::now;
use crate::sys::timer::Timer;

/// The requests that signal handlers set and that waiting threads sleep on.
///
/// The lowest bit of the word says that a stop is requested. The other bits count the reloads, so that each one changes
/// the word.
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
const RELOAD: u32 = 2;

impl Flag {
    pub(crate) fn new(timer: Option<Arc<Timer>>) -> nix::Result<Self> {
        Ok(Self {
            word: Word::new(timer)?,
            reload: AtomicBool::new(false),
            #[cfg(feature = "tokio")]
            alarm: Alarm::default(),
        })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.word.get() & STOP != 0
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
