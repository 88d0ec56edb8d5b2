//! A time at which a run is due.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::command::duration::Span;

/// A time at which a run of a repeating daemon is due.
///
/// Its [`Display`](fmt::Display) is for people: the local time, the zone, the offset from UTC, and the time until then.
///
/// # Examples
///
/// ```
/// use daemonic::{Answer, Daemon};
///
/// let daemon = Daemon::new("next-run-example").cron("30 3 * * *").timezone("Europe/Berlin");
/// let Answer::NextRuns { runs, .. } = daemon.next_runs(2)?.answer().clone() else { unreachable!() };
/// assert!(runs[0].at() > std::time::SystemTime::now());
/// assert!(runs[0].local().contains("T03:30:00+0"));
/// println!("{}", runs[0]); // 2026-11-28 03:30:00 CET (UTC+01:00), in 3h 20m
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextRun {
    pub(crate) at: SystemTime,
    pub(crate) local: String,
    /// The local time for people.
    pub(crate) shown: String,
    pub(crate) zone: Option<String>,
    /// The time until then.
    pub(crate) left: Duration,
}

impl NextRun {
    /// Returns the time.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Returns the local time with its offset from UTC, in the form of
    /// [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339): `2026-11-28T03:30:00+01:00`.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Returns the name of the time zone, if it has one.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

impl fmt::Display for NextRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, in {}", self.shown, Span(in_two_units(self.left)))
    }
}

/// Returns a time without what is small beside it: without the hours of many days, the seconds of hours.
fn in_two_units(time: Duration) -> Duration {
    let seconds = time.as_secs();
    let unit = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    Duration::from_secs(seconds - seconds % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_two_units() {
        let shown = |seconds| Span(in_two_units(Duration::from_secs(seconds))).to_string();
        assert_eq!(
            [0, 59, 3_599, 3_600, 12_059, 86_399, 86_400, 100_000].map(shown),
            ["0s", "59s", "59m 59s", "1h", "3h 20m", "23h 59m", "1d", "1d 3h"]
        );
    }
}
