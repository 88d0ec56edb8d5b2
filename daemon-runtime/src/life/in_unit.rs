//! What the systemd unit of this process does for its daemon.
//!
//! Without the feature `service`, there is no such unit.

#[cfg(feature = "service")]
pub(crate) use crate::unit_file::environment::{is_by_timer, is_in_service};

/// Returns whether the unit starts the daemon again, and shows its failures.
#[cfg(not(feature = "service"))]
pub(crate) fn is_in_service() -> bool {
    false
}

/// Returns whether a timer starts each run.
#[cfg(not(feature = "service"))]
pub(crate) fn is_by_timer() -> bool {
    false
}
