//! Retrying for a second what usually succeeds soon.

use std::thread::sleep;
use std::time::Duration;

use crate::sys::clock::now;

const LONGEST: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

/// A second that begins with the first failure, so that at least one more try is made however slow the machine is.
#[derive(Default)]
pub(crate) struct Retry {
    since: Option<Duration>,
}

impl Retry {
    /// Returns whether the second is over. If not, pauses for a millisecond.
    pub(crate) fn is_over(&mut self) -> bool {
        let since = *self.since.get_or_insert_with(now);
        if now().saturating_sub(since) > LONGEST {
            return true;
        }
        sleep(PAUSE);
        false
    }
}
