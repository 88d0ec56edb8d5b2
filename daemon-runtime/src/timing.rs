//! The keys that say when a repeating daemon runs.

#[cfg(feature = "cron")]
use std::iter;
#[cfg(feature = "cron")]
use std::sync::OnceLock;
use std::time::Duration;
#[cfg(feature = "cron")]
use std::time::SystemTime;

#[cfg(feature = "cron")]
use daemon_schedule::{Cron as Expression, LocalTime, Schedule, UnixSeconds, Zone};

use crate::command::error::{Error, Result};
#[cfg(feature = "cron")]
use crate::command::next_run::NextRun;
use crate::sys::timer::{HAS_TIMERS, TimerClock};

/// When the runs of a repeating daemon are due.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) rule: Rule,
    /// The longest time by which a run is late. Each run is late by a random part of it.
    pub(crate) jitter: Duration,
}

/// The rule by which runs are due.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    Every(Period),
    #[cfg(feature = "cron")]
    Cron(Calendar),
}

/// Runs once a period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) length: Duration,
    /// The pause before the first run.
    pub(crate) delay: Duration,
    pub(crate) clock: Clock,
}

/// Runs at the times of a cron expression.
#[cfg(feature = "cron")]
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    expression: String,
    timezone: Option<String>,
    /// Made before the daemon changes its root directory, in which there may be no time zones.
    schedule: OnceLock<Schedule>,
}

/// The clock by which [`every`](crate::Daemon::every) measures its period.
///
/// # Examples
///
/// ```
/// use daemonic::{Clock, Daemon};
/// use std::time::Duration;
///
/// # if cfg!(target_os = "linux") {
/// let hourly = Daemon::new("clock-enum-example").every(Duration::from_secs(3600));
/// hourly.clock(Clock::Boot).times(1).run(|| println!("an hour in suspend counts"))?;
/// # }
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Clock {
    /// Counts the time for which the machine is awake: `CLOCK_MONOTONIC` of
    /// [clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html).
    #[default]
    Monotonic,
    /// Counts the time in suspend too: `CLOCK_BOOTTIME`. Only Linux has this clock.
    Boot,
}

/// The mode of a [`Daemon`](crate::Daemon) whose runs are due once a period: the `W` of
/// [`Repeating<W>`](crate::Repeating), after [`every`](crate::Daemon::every).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Every;

/// The mode of a [`Daemon`](crate::Daemon) whose runs are due at the times of a cron expression: the `W` of
/// [`Repeating<W>`](crate::Repeating), after [`cron`](crate::Daemon::cron).
///
/// # Examples
///
/// ```
/// use daemonic::{Cron, Daemon, Repeating};
///
/// fn nightly(zone: &str) -> Daemon<Repeating<Cron>> {
///     Daemon::new("nightly").cron("30 3 * * *").timezone(zone)
/// }
///
/// assert!(nightly("Europe/Atlantis").run(|| unreachable!()).is_err());
/// ```
#[cfg(feature = "cron")]
#[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Cron;

/// The value that a builder's `cron` returns without the feature. The compiler's message about a call of its methods
/// contains this name.
#[cfg(not(feature = "cron"))]
#[derive(Debug, Default)]
#[must_use = "this is no daemon; enable the feature `cron` of `daemonic`"]
#[non_exhaustive]
pub struct EnableTheFeatureCronOfDaemonic {}

impl Timing {
    pub(crate) fn every(length: Duration) -> Self {
        let period = Period { length, delay: Duration::ZERO, clock: Clock::default() };
        Self { rule: Rule::Every(period), jitter: Duration::ZERO }
    }

    #[cfg(feature = "cron")]
    pub(crate) fn cron(expression: &str) -> Self {
        let calendar = Calendar { expression: expression.into(), timezone: None, schedule: OnceLock::new() };
        Self { rule: Rule::Cron(calendar), jitter: Duration::ZERO }
    }

    /// Changes the keys that go with a period.
    pub(crate) fn change_period(&mut self, change: impl FnOnce(&mut Period)) {
        match &mut self.rule {
            Rule::Every(period) => change(period),
            #[cfg(feature = "cron")]
            Rule::Cron(_) => unreachable!("only a builder with `every` has these keys"),
        }
    }

    #[cfg(feature = "cron")]
    pub(crate) fn set_timezone(&mut self, name: &str) {
        match &mut self.rule {
            Rule::Cron(calendar) => {
                *calendar = Calendar {
                    timezone: Some(name.into()),
                    schedule: OnceLock::new(),
                    expression: std::mem::take(&mut calendar.expression),
                };
            }
            Rule::Every(_) => unreachable!("only a builder with `cron` has this key"),
        }
    }

    /// Refuses values that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.rule {
            Rule::Every(Period { length, .. }) if length.is_zero() => {
                Err(Error::failed(format_args!("`every` is zero; give a period such as 5s")))
            }
            Rule::Every(Period { clock: Clock::Boot, .. }) if !HAS_TIMERS => {
                Err(Error::failed(format_args!(
                    "`clock = \"boot\"` needs Linux, which has a clock that counts the time in suspend"
                )))
            }
            Rule::Every(_) => Ok(()),
            #[cfg(feature = "cron")]
            Rule::Cron(_) if !HAS_TIMERS => Err(Error::failed(format_args!(
                "`cron` needs Linux, where a process can wait for a clock that may be set"
            ))),
            #[cfg(feature = "cron")]
            Rule::Cron(calendar) => calendar.schedule().map(drop),
        }
    }

    /// Returns whether the times of the runs follow from the daemon's start, so that only the daemon knows them.
    #[cfg(feature = "cron")]
    pub(crate) fn counts_from_start(&self) -> bool {
        matches!(self.rule, Rule::Every(_))
    }

    /// Returns the next times at which a run is due. Where they follow from the daemon's start, the first one is the
    /// time that the daemon has reported, as a time since 1970. Without such a report, there are none.
    ///
    /// # Errors
    ///
    /// Fails if there is no schedule, or if the zone cannot be found.
    #[cfg(feature = "cron")]
    pub(crate) fn next_runs(&self, count: usize, reported: Option<Duration>) -> Result<Vec<NextRun>> {
        match &self.rule {
            Rule::Cron(calendar) => calendar.next_runs(count),
            Rule::Every(period) => period.next_runs(count, reported),
        }
    }

    /// Returns the clock of the kernel's timer by which the daemon waits, or `None` if it waits by a futex.
    pub(crate) fn timer_clock(&self) -> Option<TimerClock> {
        match &self.rule {
            Rule::Every(Period { clock: Clock::Monotonic, .. }) => None,
            Rule::Every(Period { clock: Clock::Boot, .. }) => Some(TimerClock::Boot),
            #[cfg(feature = "cron")]
            Rule::Cron(_) => Some(TimerClock::Real),
        }
    }
}

#[cfg(feature = "cron")]
impl Period {
    fn next_runs(&self, count: usize, reported: Option<Duration>) -> Result<Vec<NextRun>> {
        let (zone, now) = (system_zone()?, SystemTime::now());
        let due = iter::successors(reported, |due| due.checked_add(self.length)).take(count);
        Ok(due.filter_map(|due| next_run(&zone, due, now)).collect())
    }
}

#[cfg(feature = "cron")]
impl Calendar {
    /// Returns whether the key `timezone` names a zone.
    #[cfg(feature = "service")]
    pub(crate) fn has_timezone(&self) -> bool {
        self.timezone.is_some()
    }

    /// Returns the schedule, which the first call makes.
    ///
    /// # Errors
    ///
    /// Fails if the expression is wrong, or if the zone cannot be found.
    pub(crate) fn schedule(&self) -> Result<&Schedule> {
        if let Some(schedule) = self.schedule.get() {
            return Ok(schedule);
        }
        let expression: Expression = self.expression.parse().map_err(|error| {
            Error::failed(format_args!("`cron` cannot be {:?}: {error}", self.expression))
        })?;
        let zone = match &self.timezone {
            Some(name) => Zone::named(name).map_err(|error| Error::failed(format_args!("{error}")))?,
            None => system_zone()?,
        };
        Ok(self.schedule.get_or_init(|| Schedule::new(expression, zone)))
    }

    /// Returns the next times at which a run is due, if the clock is not set meanwhile.
    ///
    /// # Errors
    ///
    /// Fails as [`schedule`](Self::schedule) does.
    pub(crate) fn next_runs(&self, count: usize) -> Result<Vec<NextRun>> {
        let (schedule, now) = (self.schedule()?, SystemTime::now());
        let due = schedule.upcoming(now.into()).take(count);
        // A clock that has never been set may be before 1970.
        let due = due.filter_map(|due| due.0.try_into().ok()).map(Duration::from_secs);
        Ok(due.filter_map(|due| next_run(schedule.zone(), due, now)).collect())
    }
}

#[cfg(feature = "cron")]
fn system_zone() -> Result<Zone> {
    Zone::system().map_err(|error| Error::failed(format_args!("{error}")))
}

/// Describes a due time since 1970. Returns `None` for a time that the clock cannot represent.
#[cfg(feature = "cron")]
fn next_run(zone: &Zone, due: Duration, now: SystemTime) -> Option<NextRun> {
    let at = SystemTime::UNIX_EPOCH.checked_add(due)?;
    let local = zone.local(UnixSeconds(due.as_secs().try_into().ok()?));
    let LocalTime { year, month, day, hour, minute, second, utc_offset, .. } = &local;
    let (sign, offset) = (if *utc_offset < 0 { '-' } else { '+' }, utc_offset.unsigned_abs());
    Some(NextRun {
        at,
        local: format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{:02}:{:02}",
            offset / 3600,
            offset / 60 % 60
        ),
        shown: local.to_string(),
        zone: zone.name().map(Into::into),
        left: at.duration_since(now).unwrap_or_default(),
    })
}
