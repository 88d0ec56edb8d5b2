//! How many reloads were requested, taken by the body, completed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The reloads of a daemon: how many were requested, and how far the body is.
#[derive(Default)]
pub(crate) struct Reloads {
    /// Whether the body has ever asked for a reload.
    pub(crate) body_asks: AtomicBool,
    /// The number of requests that have arrived.
    pub(crate) requested: AtomicU32,
    /// The number of requests of which the service manager knows that they are complete.
    pub(crate) completed: AtomicU32,
    /// The number of requests that had arrived when the body last took a reload.
    pub(crate) taken: AtomicU32,
    /// The time at which the body last took a reload, in nanoseconds of the monotonic clock.
    pub(crate) taken_at: AtomicU64,
    /// Whether the body has taken a reload, and not answered yet.
    pub(crate) awaits_answer: AtomicBool,
}

impl Reloads {
    /// Returns whether the body has ever asked for a reload.
    pub(crate) fn body_asks(&self) -> bool {
        self.body_asks.load(Ordering::Acquire)
    }
}
