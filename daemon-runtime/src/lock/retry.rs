//! Retrying for a second what usually succeeds soon.

use std::thread::sleep;
use std::time::Duration;

use crate::sys::clock::now;

const LONGEST: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A limit of one second from the first failure on, so that at least one more attempt is made however slow the machine
/// is.
pub(crate) struct Retry {
    since: Option<Duration>,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { since: None, pause: FIRST_PAUSE }
    }
}

impl Retry {
    /// Returns whether the time is over. If not, pauses: each time twice as long as before, up to a millisecond.
    pub(crate) fn is_over(&mut self) -> bool {
        let since = *self.since.get_or_insert_with(now);
        if now().saturating_sub(since) > LONGEST {
            return true;
        }
        sleep(self.pause);
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        false
    }
}
