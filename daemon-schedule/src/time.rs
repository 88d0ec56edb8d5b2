//! A moment as a number.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in whole seconds since 1970 in UTC, as `date +%s` prints it.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use daemon_schedule::UnixSeconds;
///
/// // The second in which a moment is, also before 1970.
/// assert_eq!(UnixSeconds::from(UNIX_EPOCH + Duration::from_millis(1_500)), UnixSeconds(1));
/// assert_eq!(UnixSeconds::from(UNIX_EPOCH - Duration::from_millis(500)), UnixSeconds(-1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub i64);

impl From<SystemTime> for UnixSeconds {
    /// Returns the second in which a moment is.
    fn from(moment: SystemTime) -> Self {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Self(match moment.duration_since(UNIX_EPOCH) {
            Ok(after) => seconds(after),
            Err(before) => {
                let before = before.duration();
                -seconds(before) - i64::from(before.subsec_nanos() != 0)
            }
        })
    }
}
