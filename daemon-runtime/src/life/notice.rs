//! The notices of a daemon: what it reports about itself.

use std::fmt::{self, Display};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::command::duration::Span;
use crate::command::path::SystemPath;

/// Something that a daemon reports about itself. Its `Display` is the text of the line or of the event.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, reason = "some notices and fields are for events only")
)]
pub(crate) enum Notice<'a> {
    /// The body has returned an error.
    BodyFailed {
        error: &'a str,
    },
    /// A run has failed, and the daemon goes on.
    RunFailed {
        run: u64,
        error: &'a str,
    },
    /// An attempt of a run has failed, and another one follows.
    Retrying {
        attempt: u32,
        attempts: u32,
        pause: Duration,
        error: &'a str,
    },
    /// A run has taken too long, and is asked to stop.
    EndingRun {
        limit: Duration,
    },
    /// A run has ended so long after it was due that others are skipped. Only the first of several such runs in a row
    /// deserves a line.
    RunsSkipped {
        count: u64,
        behind: Duration,
        is_first: bool,
    },
    /// A run begins late, because the process has not run meanwhile, and takes the place of those after it.
    WokeLate {
        late: Duration,
        skipped: u64,
    },
    /// The clock has been set, by seconds.
    #[cfg(feature = "cron")]
    ClockSet {
        by: i64,
        is_due: bool,
    },
    /// A run was due while there was no daemon.
    CatchingUp {
        behind: Duration,
    },
    /// The time of the last success cannot be used.
    StateIgnored {
        path: &'a SystemPath,
        reason: &'a dyn Display,
    },
    /// The time of the last success cannot be kept.
    StateNotWritten {
        path: &'a SystemPath,
        reason: &'a dyn Display,
    },
    /// A run begins later than it should.
    RunLate {
        late: Duration,
    },
    /// A thread has panicked. There is no line about it, because std's own panic hook has written one.
    Panicked {
        error: &'a str,
    },
    /// The supervisor pauses before the next life.
    Respawning {
        pause: Duration,
        reason: &'a dyn Display,
    },
    /// This process is another life of the body.
    Respawned {
        respawns: u32,
        reason: &'a str,
    },
    /// The body has failed too often.
    GivingUp {
        failures: u32,
        reason: &'a dyn Display,
    },
    /// The body has ignored a stop for too long.
    Killing {
        after: Duration,
    },
    Stopping {
        signal: Signal,
    },
    Reloading,
    /// The body has reported an error as the result of a reload.
    ReloadFailed {
        error: &'a str,
    },
    CannotReopen {
        path: &'a SystemPath,
        obstacle: Obstacle,
    },
    /// The service manager waits for messages that will not come.
    NotNotified {
        reason: &'a dyn Display,
    },
}

/// The reason why a log cannot be reopened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    OutsideChroot,
    IsPidfile,
    Os(Errno),
}

/// The importance of a notice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Notice<'_> {
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::RunLate { .. } | Self::RunsSkipped { is_first: false, .. } => Level::Debug,
            Self::Stopping { .. } | Self::Reloading | Self::Respawned { .. } | Self::CatchingUp { .. } => {
                Level::Info
            }
            #[cfg(feature = "cron")]
            Self::ClockSet { .. } => Level::Info,
            Self::RunsSkipped { .. }
            | Self::WokeLate { .. }
            | Self::Retrying { .. }
            | Self::StateIgnored { .. }
            | Self::EndingRun { .. }
            | Self::Respawning { .. }
            | Self::Killing { .. }
            | Self::NotNotified { .. } => Level::Warn,
            Self::BodyFailed { .. }
            | Self::RunFailed { .. }
            | Self::Panicked { .. }
            | Self::ReloadFailed { .. }
            | Self::StateNotWritten { .. }
            | Self::GivingUp { .. }
            | Self::CannotReopen { .. } => Level::Error,
        }
    }
}

impl Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stopping { signal } => write!(f, "stopping ({signal})"),
            Self::Reloading => f.write_str("reloading"),
            Self::CannotReopen { path, obstacle } => write!(f, "cannot reopen {path}: {obstacle}"),
            _ => self.write_from_thread(f),
        }
    }
}

impl Notice<'_> {
    /// Writes a notice that no signal handler writes. A handler's stack may be small, and every line of text here needs
    /// some of it, even if it is not reached.
    #[inline(never)]
    fn write_from_thread(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stopping { .. } | Self::Reloading | Self::CannotReopen { .. } => Ok(()),
            Self::BodyFailed { error } | Self::RunFailed { error, .. } | Self::Panicked { error } => {
                f.write_str(error)
            }
            Self::Retrying { attempt, attempts, pause, error } => {
                write!(f, "retrying in {} (attempt {attempt} of {attempts}): {error}", Span(pause))
            }
            Self::EndingRun { limit } => {
                write!(f, "stopping a run, which has not ended within {}", Span(limit))
            }
            Self::RunsSkipped { count, behind, .. } => {
                let plural = if count == 1 { " is" } else { "s are" };
                let behind = Span(rounded(behind));
                write!(f, "{count} run{plural} skipped: the run before ended {behind} after it was due")
            }
            Self::WokeLate { late, skipped } => {
                write!(f, "a run is {} late", Span(rounded(late)))?;
                match skipped {
                    0 => {}
                    1 => f.write_str(", and the one after it is skipped")?,
                    count => write!(f, ", and the {count} after it are skipped")?,
                }
                f.write_str(": the machine was busy, or the daemon was suspended or stopped")
            }
            #[cfg(feature = "cron")]
            Self::ClockSet { by, is_due } => {
                let way = if by < 0 { "back" } else { "forward" };
                write!(f, "the clock was set {way} by {}", Span(Duration::from_secs(by.unsigned_abs())))?;
                f.write_str(if is_due { ", so a run is due" } else { "" })
            }
            Self::CatchingUp { behind } => {
                let behind = Span(Duration::from_secs(behind.as_secs()));
                write!(f, "making up for a run, which was due {behind} ago")
            }
            Self::StateIgnored { path, reason } => write!(f, "ignoring the state file {path}: {reason}"),
            Self::StateNotWritten { path, reason } => {
                write!(f, "cannot write the state file {path}: {reason}")
            }
            Self::RunLate { late } => write!(f, "a run is {} late", Span(rounded(late))),
            Self::Respawning { pause, reason } => write!(f, "respawning in {}: {reason}", Span(pause)),
            Self::Respawned { respawns, reason } => {
                let plural = if respawns == 1 { "" } else { "s" };
                write!(f, "respawned {respawns} time{plural}: {reason}")
            }
            Self::GivingUp { failures, reason } => {
                let plural = if failures == 1 { "" } else { "s" };
                write!(f, "giving up after {failures} failure{plural}: {reason}")
            }
            Self::Killing { after } => {
                write!(f, "killing the body, which has not ended within {} of the stop", Span(after))
            }
            Self::ReloadFailed { error } => write!(f, "failed to reload: {error}"),
            Self::NotNotified { reason } => write!(f, "the service manager is not notified: {reason}"),
        }
    }
}

impl Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideChroot => "it is outside the chroot",
            Self::IsPidfile => "it is the pidfile",
            Self::Os(errno) => errno.desc(),
        })
    }
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        })
    }
}

/// Returns a measured time as people want to read it: in whole milliseconds, unless it is shorter than one.
fn rounded(time: Duration) -> Duration {
    let rest = Duration::from_nanos(u64::from(time.subsec_nanos() % 1_000_000));
    time.checked_sub(rest).filter(|time| !time.is_zero()).unwrap_or(time)
}
