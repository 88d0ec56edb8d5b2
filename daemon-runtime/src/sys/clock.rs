//! The system's clocks, read as the time since their start.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
#[cfg(target_os = "linux")]
use nix::unistd::{SysconfVar, sysconf};

/// Reads the monotonic clock, by which every wait is measured. Async-signal-safe.
pub(crate) fn now() -> Duration {
    // POSIX requires this clock, and it is never negative.
    read(ClockId::CLOCK_MONOTONIC).unwrap_or_default()
}

/// Reads the clock that also counts the time in suspend, if the system has one.
#[cfg(target_os = "linux")]
pub(crate) fn since_boot() -> Option<Duration> {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Returns `None`: this system has no such clock.
#[cfg(not(target_os = "linux"))]
pub(crate) fn since_boot() -> Option<Duration> {
    None
}

/// Reads the clock that can be set, as the time since 1970. It is zero before that.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Returns the time of the machine's start, as the time since 1970.
///
/// Both clocks are read together, so that the result stays the same until the clock that can be set is set.
#[cfg(feature = "json")]
pub(crate) fn boot() -> Option<Duration> {
    let since_boot = since_boot()?;
    since_1970().checked_sub(since_boot)
}

fn read(clock: ClockId) -> Option<Duration> {
    clock_gettime(clock).ok().map(Duration::from)
}

/// Returns the clock ticks per second that `/proc/PID/stat` counts in.
#[cfg(target_os = "linux")]
pub(crate) fn ticks_per_second() -> Option<u64> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??;
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}
