//! An expression in a time zone.

use std::iter::FusedIterator;

use crate::cron::Cron;
use crate::rule::tick;
use crate::time::UnixSeconds;
use crate::zone::{COVERED, Era, Zone};

/// The time after which a jump of the clock has no effect on the next run: the clock has caught up
/// with the minutes that it repeats. A longer jump is a correction, which has none.
const CATCH_UP: i64 = 3 * 60 * 60;

/// After this time, the calendar and the rules of a zone repeat: a cycle of 400 years.
const CYCLE: i64 = 146_097 * 86_400;

/// A cron expression in a time zone.
///
/// Its times are those at which Debian's cron would start a job. cron starts one job for each minute
/// that the clock has jumped over; here these are one run.
///
/// # Examples
///
/// Where the clocks go from 02:00 to 03:00, a run at 02:30 takes place at 03:00. Where they go from
/// 03:00 back to 02:00, the first 02:30 counts. A run every half hour takes place at every half hour
/// that passes:
///
/// ```
/// use daemon_schedule::{Cron, Schedule, UnixSeconds, Zone};
///
/// let next = |cron: &str, after: i64| {
///     let schedule = Schedule::new(cron.parse().unwrap(), Zone::named("Europe/Berlin").unwrap());
///     let due = schedule.next(UnixSeconds(after)).unwrap();
///     schedule.zone().local(due).to_string()
/// };
/// let spring = 1_774_738_800; // 2026-03-29 00:00 CET
/// assert_eq!(next("30 2 * * *", spring), "2026-03-29 03:00:00 CEST (UTC+02:00)");
/// assert_eq!(next("*/30 2 * * *", spring), "2026-03-30 02:00:00 CEST (UTC+02:00)");
///
/// let second_two_oclock = 1_792_890_000; // 2026-10-25 02:00 CET
/// assert_eq!(next("30 2 * * *", second_two_oclock), "2026-10-26 02:30:00 CET (UTC+01:00)");
/// assert_eq!(next("*/30 2 * * *", second_two_oclock), "2026-10-25 02:30:00 CET (UTC+01:00)");
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: Zone,
}

/// How far a schedule has come: a moment, and the local minute up to which runs are done.
///
/// The two differ only while the clock repeats minutes.
///
/// # Examples
///
/// ```
/// use daemon_schedule::{Schedule, UnixSeconds, Zone};
///
/// let schedule = Schedule::new("@daily".parse().unwrap(), Zone::UTC);
/// let progress = schedule.progress(UnixSeconds(90_000));
/// assert_eq!(progress.clock(), UnixSeconds(90_000));
/// assert_eq!(schedule.next_from(progress), Some(UnixSeconds(172_800)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    clock: i64,
    /// The local minute that is reached, counted from 1970.
    reached: i64,
}

impl Progress {
    /// Returns what the clock showed.
    #[must_use]
    pub fn clock(self) -> UnixSeconds {
        UnixSeconds(self.clock)
    }
}

/// What a step of the clock means for a schedule.
///
/// # Examples
///
/// See [`Schedule::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Step {
    /// The first run that was due before the clock was set, and that is not done yet.
    pub late: Option<UnixSeconds>,
    /// Whether a run is due because the clock was set. It is due at once, and only once, however many
    /// times the clock has jumped over.
    pub is_due: bool,
    /// How far the schedule has come, after these runs.
    pub progress: Progress,
}

impl Schedule {
    /// Returns the schedule of an expression in a zone.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let schedule = Schedule::new("0 12 * * *".parse()?, Zone::UTC);
    /// assert_eq!(schedule.next(UnixSeconds(0)), Some(UnixSeconds(43_200)));
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn new(cron: Cron, zone: Zone) -> Self {
        Self { cron, zone }
    }

    /// Returns the expression.
    #[must_use]
    pub fn cron(&self) -> &Cron {
        &self.cron
    }

    /// Returns the zone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns the first due time after a moment, on a clock that has never been set.
    ///
    /// Returns `None` if there is none: in the next 400 years, after which the calendar repeats, or
    /// before the year 9987. An example is `* 2 * 3 SUN#2` in New York, where that hour never exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let leap_days = Schedule::new("0 0 29 2 *".parse()?, Zone::UTC);
    /// let due = leap_days.next(UnixSeconds(3_990_000_000)).expect("in 2104");
    /// assert_eq!(leap_days.zone().local(due).to_string(), "2104-02-29 00:00:00 UTC (UTC+00:00)");
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn next(&self, after: UnixSeconds) -> Option<UnixSeconds> {
        self.next_from(self.progress(after))
    }

    /// Returns all due times after a moment, on a clock that has never been set.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let schedule = Schedule::new("@hourly".parse()?, Zone::UTC);
    /// let due: Vec<_> = schedule.upcoming(UnixSeconds(0)).map(|due| due.0).take(3).collect();
    /// assert_eq!(due, [3600, 7200, 10_800]);
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn upcoming(&self, after: UnixSeconds) -> Upcoming<'_> {
        Upcoming { schedule: self, progress: self.progress(after) }
    }

    /// Returns how far the schedule has come at a moment, on a clock that has never been set.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let schedule = Schedule::new("30 2 * * *".parse().unwrap(), Zone::named("Europe/Berlin")?);
    /// // 2026-10-25 02:00 CET: the hour from two is repeated, and its run is done.
    /// let progress = schedule.progress(UnixSeconds(1_792_890_000));
    /// let due = schedule.next_from(progress).expect("it comes every day");
    /// assert_eq!(schedule.zone().local(due).day, 26);
    /// # Ok::<_, daemon_schedule::ZoneError>(())
    /// ```
    #[must_use]
    pub fn progress(&self, now: UnixSeconds) -> Progress {
        let clock = now.0.clamp(*COVERED.start(), *COVERED.end());
        // Begin where no jump of the zone has an effect any more.
        let mut start = clock;
        while let Some(jump) = self.zone.era_start(start) {
            if jump < start - CATCH_UP || !COVERED.contains(&(jump - 1)) {
                break;
            }
            start = jump - 1;
        }
        let era = self.zone.era(start);
        let begun = Progress { clock: start, reached: shown(start, era.offset) };
        self.advance(begun, UnixSeconds(clock))
    }

    /// Returns the first due time after the moment of some progress.
    ///
    /// See [`Schedule::next`] for when there is none, and [`Schedule::progress`] for an example.
    #[must_use]
    pub fn next_from(&self, progress: Progress) -> Option<UnixSeconds> {
        let mut walk = Walk::new(self, progress);
        // A search of the calendar serves several eras, until the walk has passed what it found.
        let mut found = self.cron.fields.next_minute(walk.first_open_minute())?;
        while walk.clock - progress.clock <= CYCLE {
            let open = walk.first_open_minute();
            // The clock may have gone back to before what was found earlier.
            if found < open || walk.has_gone_back {
                found = self.cron.fields.next_minute(open)?;
                walk.has_gone_back = false;
            }
            let due = found * 60 - walk.era.offset;
            let Some(end) = walk.era.end.filter(|end| *end <= due) else {
                return COVERED.contains(&due).then_some(UnixSeconds(due));
            };
            if !COVERED.contains(&end) {
                return None;
            }
            if walk.cross(end) {
                return Some(UnixSeconds(end));
            }
        }
        None
    }

    /// Returns the progress at a later moment, if the clock has not been set in between. An earlier
    /// moment changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let schedule = Schedule::new("@hourly".parse()?, Zone::UTC);
    /// let progress = schedule.progress(UnixSeconds(0));
    /// assert_eq!(schedule.advance(progress, UnixSeconds(9000)), schedule.progress(UnixSeconds(9000)));
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn advance(&self, progress: Progress, now: UnixSeconds) -> Progress {
        let now = now.0.min(*COVERED.end());
        if now <= progress.clock {
            return progress;
        }
        let mut walk = Walk::new(self, progress);
        while let Some(end) = walk.era.end.filter(|end| *end <= now) {
            walk.cross(end);
        }
        Progress { clock: now, reached: walk.reached.max(shown(now, walk.era.offset)) }
    }

    /// Returns what is due after the clock has been set from one time to another.
    ///
    /// `progress` is that of the last run, or of the last look at the clock. `old` is what the clock
    /// would show now if it had not been set, and `new` is what it shows.
    ///
    /// - Forward by at most three hours: what would have been due at a fixed time in between is due at
    ///   once.
    /// - Back by less than three hours: what is at a fixed time waits until the clock has caught up.
    /// - By more: the clock was wrong before, and only what is due in the new minute is due.
    ///
    /// An expression with a `*` in the minute or the hour follows the new time at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{Schedule, UnixSeconds, Zone};
    ///
    /// let schedule = Schedule::new("30 3 * * *".parse()?, Zone::UTC);
    /// let (three, four) = (UnixSeconds(3 * 3600), UnixSeconds(4 * 3600));
    ///
    /// // The clock is set from 03:00 to 04:00.
    /// let step = schedule.step(schedule.progress(three), three, four);
    /// assert!(step.is_due);
    /// assert_eq!(schedule.next_from(step.progress), Some(UnixSeconds((24 + 3) * 3600 + 1800)));
    ///
    /// // And back to 03:00.
    /// let step = schedule.step(step.progress, four, three);
    /// assert!(!step.is_due);
    /// assert_eq!(schedule.next_from(step.progress), Some(UnixSeconds((24 + 3) * 3600 + 1800)));
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn step(&self, progress: Progress, old: UnixSeconds, new: UnixSeconds) -> Step {
        let late = self.next_from(progress).filter(|due| *due <= old);
        let Progress { clock: old, mut reached } = self.advance(progress, old);
        let clock = new.0.clamp(*COVERED.start(), *COVERED.end());
        let minute = shown(clock, self.zone.era(clock).offset);
        let mut is_due = false;
        if minute != shown(old, self.zone.era(old).offset) {
            (reached, is_due) = tick(&self.cron.fields, minute, reached);
        }
        Step { late, is_due, progress: Progress { clock, reached } }
    }
}

/// All due times of a schedule after a moment: see [`Schedule::upcoming`].
#[derive(Clone, Debug)]
pub struct Upcoming<'a> {
    schedule: &'a Schedule,
    progress: Progress,
}

impl Iterator for Upcoming<'_> {
    type Item = UnixSeconds;

    fn next(&mut self) -> Option<UnixSeconds> {
        let due = self.schedule.next_from(self.progress)?;
        self.progress = self.schedule.advance(self.progress, due);
        Some(due)
    }
}

impl FusedIterator for Upcoming<'_> {}

/// Returns the local minute that the clock shows.
fn shown(at: i64, offset: i64) -> i64 {
    (at + offset).div_euclid(60)
}

/// A walk through the eras of a zone.
struct Walk<'a> {
    schedule: &'a Schedule,
    era: Era,
    /// The moment, and the local minute that the clock shows at it.
    clock: i64,
    minute: i64,
    reached: i64,
    has_gone_back: bool,
}

impl<'a> Walk<'a> {
    fn new(schedule: &'a Schedule, Progress { clock, reached }: Progress) -> Self {
        let era = schedule.zone.era(clock);
        Self { schedule, era, clock, minute: shown(clock, era.offset), reached, has_gone_back: false }
    }

    /// Returns the first minute of this era in which a run may be due.
    fn first_open_minute(&self) -> i64 {
        // Minutes that the clock repeats are open to what follows elapsed time.
        if self.schedule.cron.fields.has_star { self.minute + 1 } else { self.reached + 1 }
    }

    /// Goes to the next era. Returns whether a run is due at its first second.
    fn cross(&mut self, start: i64) -> bool {
        let last = shown(start - 1, self.era.offset);
        self.reached = self.reached.max(last);
        self.era = self.schedule.zone.era(start);
        (self.clock, self.minute) = (start, shown(start, self.era.offset));
        self.has_gone_back |= self.minute <= last;
        if self.minute == last {
            return false;
        }
        let (reached, is_due) = tick(&self.schedule.cron.fields, self.minute, self.reached);
        self.reached = reached;
        is_due
    }
}
