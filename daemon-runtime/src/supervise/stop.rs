//! The stop of a supervised body.

use std::time::Duration;

/// The state of a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    NotRequested,
    /// The body and its children are killed at this time of the monotonic clock. None if the clock cannot reach it.
    Requested {
        deadline: Option<Duration>,
    },
    /// The body was killed when the time was over.
    Killing,
}

impl Stop {
    pub(super) fn is_requested(self) -> bool {
        self != Self::NotRequested
    }

    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Requested { deadline } => deadline,
            Self::NotRequested | Self::Killing => None,
        }
    }
}
