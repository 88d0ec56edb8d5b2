//! The mask of signals that the calling thread blocks.

use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};

use crate::sys::sigaction::is_ignored;

/// All signals blocked in this thread.
#[must_use = "dropping this restores the mask from before"]
pub(crate) struct AllBlocked {
    before: SigSet,
}

impl AllBlocked {
    pub(crate) fn new() -> nix::Result<Self> {
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        Ok(Self { before })
    }

    /// Restores the mask from before; dropping this does so again.
    pub(crate) fn restore(&self) {
        let _ = self.before.thread_set_mask();
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Unblocks all signals in this thread.
pub(crate) fn unblock_all() {
    let _ = SigSet::empty().thread_set_mask();
}

/// Unblocks some signals in this thread. Async-signal-safe.
pub(crate) fn unblock(signals: &[Signal]) {
    let _ = signals.iter().copied().collect::<SigSet>().thread_unblock();
}

/// Takes back a signal that may be pending for this thread. The signal must be blocked; otherwise it is delivered.
pub(crate) fn take_back(signal: Signal) {
    // Signals do not queue, so one is pending after the raise, and the wait returns at once. An ignored signal need not
    // become pending (POSIX).
    if !is_ignored(signal as i32) && raise(signal).is_ok() {
        let _ = SigSet::from(signal).wait();
    }
}
