//! Waiting for a clock that can be set, or that counts the time in suspend.

use std::time::Duration;

use nix::errno::Errno;

use crate::life::context::Context;
use crate::sys::clock::now;

/// The longest wait that is asked of the kernel at once: a time with 32 bits cannot hold every moment.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 86_400);

/// The longest wait without a look at the clock, if the timer cannot be used.
const LONGEST_BLIND_WAIT: Duration = Duration::from_secs(60);

impl Context {
    /// Sleeps until `wanted` returns something, until a moment of the clock of this daemon's timer, or until that clock
    /// is set. May return early.
    ///
    /// `left` is the time until that moment, if the clock is not set.
    pub(crate) fn sleep_for_clock<T>(
        &self,
        until: Duration,
        left: Duration,
        wanted: &dyn Fn() -> Option<T>,
    ) -> Option<T> {
        if self.begins_to_wait() {
            return wanted();
        }
        let until = until.saturating_sub(left.saturating_sub(LONGEST_WAIT));
        let timer = self.timer().ok_or(Errno::EBADF);
        let found =
            timer.and_then(|timer| self.flag().sleep_on(timer, until, self.next_keep_alive(), wanted));
        // A body that closes descriptors it does not know may have a file of its own under the timer's number.
        found.unwrap_or_else(|_| self.sleep(now().checked_add(left.min(LONGEST_BLIND_WAIT)), wanted))
    }
}
