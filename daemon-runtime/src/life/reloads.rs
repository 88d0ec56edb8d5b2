//! The progress of a daemon's reloads.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The progress of a daemon's reloads: whose turn it is, the daemon's or its body's.
///
/// All orderings are sequentially consistent, because a handler and a thread each write one value and then read the
/// other's.
#[derive(Default)]
pub(crate) struct Reloads {
    /// Whether the body has ever asked for a reload.
    has_asked: AtomicBool,
    /// The number of waits for an event that the body is in at present.
    waits: AtomicU32,
    /// Whether the service manager knows of a reload, and does not know yet that it is complete.
    is_begun: AtomicBool,
    /// Whether the body has taken a reload, and not answered yet.
    awaits_answer: AtomicBool,
    /// The time at which the body has taken that reload, on the monotonic clock.
    taken: Mutex<Option<Duration>>,
}

impl Reloads {
    /// Returns whether the body has ever asked for a reload.
    pub(crate) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::SeqCst)
    }

    /// Notes that the body asks for a reload, and returns whether it is the first time.
    pub(crate) fn ask_first(&self) -> bool {
        !self.has_asked() && !self.has_asked.swap(true, Ordering::SeqCst)
    }

    /// Notes that the service manager knows of a reload. Async-signal-safe.
    pub(crate) fn begin(&self) {
        self.is_begun.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun.load(Ordering::SeqCst)
    }

    /// Notes that the reload is complete, and returns whether the service manager must be notified. Async-signal-safe.
    pub(crate) fn complete(&self) -> bool {
        self.is_begun.swap(false, Ordering::SeqCst)
    }

    /// Returns whether the body will complete the reload that has arrived: it waits for an event, or is at an earlier
    /// one. Async-signal-safe.
    pub(crate) fn belong_to_body(&self) -> bool {
        // In this order, because a body that takes a reload stops waiting afterwards.
        self.has_waits() || self.awaits_answer()
    }

    pub(crate) fn has_waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn begin_wait(&self) {
        self.waits.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that a wait has ended, and returns whether the body has left a reload that it would have taken.
    pub(crate) fn ends_wait(&self) -> bool {
        self.waits.fetch_sub(1, Ordering::SeqCst);
        self.is_begun() && !self.belong_to_body()
    }

    /// Notes that the body takes a reload.
    pub(crate) fn take(&self, at: Duration) {
        let mut taken = self.lock();
        *taken = Some(at);
        self.awaits_answer.store(true, Ordering::SeqCst);
    }

    /// Returns when the body has taken a reload that it has not answered.
    pub(crate) fn taken(&self) -> Option<Duration> {
        *self.lock()
    }

    pub(crate) fn awaits_answer(&self) -> bool {
        self.awaits_answer.load(Ordering::SeqCst)
    }

    /// Notes that the body answers, and returns when it has taken the reload. Returns `None` if there is none.
    pub(crate) fn answer(&self) -> Option<Duration> {
        let mut taken = self.lock();
        self.awaits_answer.store(false, Ordering::SeqCst);
        taken.take()
    }

    /// Notes that the answer to the next reload, which the body takes now, covers this one.
    pub(crate) fn pass_on(&self) {
        if self.awaits_answer() {
            let _ = self.answer();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Duration>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(7);

    #[test]
    fn a_reload_is_the_daemons_unless_the_body_waits_or_is_at_one() {
        let reloads = Reloads::default();
        assert!(reloads.ask_first() && !reloads.ask_first());
        assert!(!reloads.belong_to_body(), "the body may never ask again");
        reloads.begin_wait();
        assert!(reloads.belong_to_body());
        reloads.take(AT);
        assert!(!reloads.ends_wait());
        assert!(reloads.belong_to_body());
        assert_eq!([reloads.answer(), reloads.answer()], [Some(AT), None]);
        assert!(!reloads.belong_to_body());
    }

    #[test]
    fn a_wait_that_ends_as_a_reload_arrives_completes_it() {
        let reloads = Reloads::default();
        reloads.begin_wait();
        reloads.begin_wait();
        reloads.begin();
        // The handler leaves the reload to the two that wait, and neither takes it.
        assert!(reloads.belong_to_body());
        assert!(!reloads.ends_wait(), "another still waits");
        assert!(reloads.ends_wait());
        assert_eq!([reloads.complete(), reloads.complete()], [true, false]);
        reloads.begin_wait();
        assert!(!reloads.ends_wait(), "nothing has arrived");
    }
}
