//! A word on which threads sleep until a signal handler changes it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[cfg(not(target_os = "linux"))]
use crate::pipe::Pipe;
use crate::sys::{self, Sys};

/// A number that can be waited for. Whatever changes it wakes all sleepers, and none can miss the change.
pub(crate) struct Word {
    value: AtomicU32,
    /// Where there is no futex: readable when there was a change that nobody has slept through.
    #[cfg(not(target_os = "linux"))]
    changed: Pipe,
}

impl Word {
    #[cfg_attr(target_os = "linux", allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail"))]
    pub(crate) fn new() -> Sys<Self> {
        Ok(Self {
            value: AtomicU32::new(0),
            #[cfg(not(target_os = "linux"))]
            changed: Pipe::new()?,
        })
    }

    pub(crate) fn get(&self) -> u32 {
        self.value.load(Ordering::Acquire)
    }

    /// Sets bits, and gives the value before. Async-signal-safe.
    pub(crate) fn set(&self, bits: u32) -> u32 {
        let before = self.value.fetch_or(bits, Ordering::AcqRel);
        self.wake_all();
        before
    }

    /// Adds to it, around the end if need be. Async-signal-safe.
    pub(crate) fn add(&self, number: u32) {
        self.value.fetch_add(number, Ordering::AcqRel);
        self.wake_all();
    }
}

/// On Linux a sleeper sleeps on the word itself
/// ([futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html)): the kernel compares it when he lies down,
/// and wakes him by an absolute clock, 50 µs late at the most.
#[cfg(target_os = "linux")]
impl Word {
    /// Sleeps while the word is `seen`, until a moment of the monotonic clock. May return early.
    pub(crate) fn sleep(&self, seen: u32, until: Option<Duration>) {
        sys::futex_wait(&self.value, seen, until);
    }

    fn wake_all(&self) {
        sys::futex_wake_all(&self.value);
    }
}

/// Elsewhere he sleeps on a pipe, into which every change writes, and rounds up to a millisecond.
#[cfg(not(target_os = "linux"))]
impl Word {
    /// Sleeps while the word is `seen`, until a moment of the monotonic clock. May return early.
    pub(crate) fn sleep(&self, seen: u32, until: Option<Duration>) {
        let left = until.map(|until| until.saturating_sub(sys::now()));
        if self.get() == seen && self.changed.is_readable_within(left) {
            self.changed.drain();
            // What was drained may have been meant for another sleeper too, who looks only after this.
            if self.get() != seen {
                self.changed.write();
            }
        }
    }

    fn wake_all(&self) {
        self.changed.write();
    }
}
