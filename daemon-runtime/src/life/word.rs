//! A number on which threads sleep until a signal handler changes it.

use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;

#[cfg(not(target_os = "linux"))]
use crate::life::self_pipe::Pipe;
#[cfg(not(target_os = "linux"))]
use crate::sys::clock::now;
#[cfg(target_os = "linux")]
use crate::sys::futex;
use crate::sys::timer::Timer;

/// A number that threads can wait for. Every change wakes all of them, and none can miss a change.
pub(crate) struct Word {
    value: AtomicU32,
    /// The timer on which a thread may sleep too. A sleeper does not take the lock, and a handler only tries to.
    timer: Mutex<Option<Arc<Timer>>>,
    /// Without a futex: readable after a change that no sleeper has consumed.
    #[cfg(not(target_os = "linux"))]
    changed: Pipe,
}

impl Word {
    #[cfg_attr(
        target_os = "linux",
        allow(clippy::unnecessary_wraps, reason = "it can fail on other systems")
    )]
    pub(crate) fn new(timer: Option<Arc<Timer>>) -> nix::Result<Self> {
        let timer = Mutex::new(timer);
        // On some systems the first lock of a mutex allocates, which must not happen in a handler.
        drop(timer.lock());
        Ok(Self {
            value: AtomicU32::new(0),
            timer,
            #[cfg(not(target_os = "linux"))]
            changed: Pipe::new()?,
        })
    }

    pub(crate) fn get(&self) -> u32 {
        self.value.load(Ordering::Acquire)
    }

    /// Sets bits, and returns the value from before. Async-signal-safe.
    pub(crate) fn set(&self, bits: u32) -> u32 {
        let before = self.value.fetch_or(bits, Ordering::AcqRel);
        self.wake();
        before
    }

    /// Adds to the value, wrapping around at the end. Async-signal-safe.
    pub(crate) fn add(&self, number: u32) {
        self.value.fetch_add(number, Ordering::AcqRel);
        self.wake();
    }
}

impl Word {
    /// Sleeps while the value is `seen`, until a moment of the timer's clock, until that is set, or until this time is
    /// over. May return early.
    ///
    /// # Errors
    ///
    /// Fails if the timer cannot be used.
    pub(crate) fn sleep_on(
        &self,
        timer: &Timer,
        seen: u32,
        until: Duration,
        timeout: Option<Duration>,
    ) -> nix::Result<()> {
        match timer.arm(until) {
            Err(Errno::ECANCELED) => return Ok(()),
            armed => armed?,
        }
        // A change before this is seen here. One after this makes the timer expire.
        if self.get() == seen {
            timer.wait(timeout);
        }
        Ok(())
    }

    fn wake(&self) {
        self.wake_all();
        loop {
            let seen = self.get();
            // The thread that has the lock checks for further changes once it has released it.
            fence(Ordering::SeqCst);
            let Ok(timer) = self.timer.try_lock() else { return };
            let Some(sleepers) = &*timer else { return };
            sleepers.wake();
            drop(timer);
            fence(Ordering::SeqCst);
            if self.get() == seen {
                return;
            }
        }
    }

    /// Closes the timer, once no thread sleeps on it.
    pub(crate) fn close(&self) {
        drop(self.timer.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// On Linux a thread sleeps on the number itself ([futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)). The
/// kernel compares the number when the sleep begins, and ends the sleep at an absolute time.
#[cfg(target_os = "linux")]
impl Word {
    /// Sleeps while the value is `seen`, until a moment of the monotonic clock. May return early.
    pub(crate) fn sleep(&self, seen: u32, deadline: Option<Duration>) {
        futex::wait(&self.value, seen, deadline);
    }

    fn wake_all(&self) {
        futex::wake_all(&self.value);
    }
}

/// On other systems a thread sleeps on a pipe, to which every change writes. The time is rounded up to a millisecond.
#[cfg(not(target_os = "linux"))]
impl Word {
    /// Sleeps while the value is `seen`, until a moment of the monotonic clock. May return early.
    pub(crate) fn sleep(&self, seen: u32, deadline: Option<Duration>) {
        let left = deadline.map(|deadline| deadline.saturating_sub(now()));
        if self.get() == seen && self.changed.is_readable_within(left) {
            self.changed.drain();
            // What was drained may also have been meant for another sleeper, which looks only after this.
            if self.get() != seen {
                self.changed.write();
            }
        }
    }

    fn wake_all(&self) {
        self.changed.write();
    }
}
