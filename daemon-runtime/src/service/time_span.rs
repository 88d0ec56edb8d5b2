//! Times as systemd reads them ([systemd.time(7)](https://man7.org/linux/man-pages/man7/systemd.time.7.html)).

use std::time::Duration;

use crate::command::duration::Span;

/// Returns a time as systemd reads it, rounded up to microseconds. A time of zero would mean that there is no limit.
pub(crate) fn time(time: Duration) -> String {
    /// About three hundred years, more than systemd can count.
    const LONGEST: Duration = Duration::from_secs(10_000_000_000);
    if time > LONGEST {
        return "infinity".into();
    }
    let micros = time.as_nanos().div_ceil(1_000).max(1);
    Span(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))).to_string()
}
