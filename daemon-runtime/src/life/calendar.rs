//! The due times of a cron expression, on a clock that may be set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daemon_schedule::{Progress, Schedule, UnixSeconds};

use crate::life::context::Context;
use crate::life::last_success::LastSuccess;
use crate::life::log;
use crate::life::notice::Notice;
use crate::life::occasion::Interruption;
use crate::life::woken::{REMARKABLE, RunEnd, Woken};
use crate::sys::clock;

const SECOND: i128 = 1_000_000_000;

/// The due times of a cron expression in a zone.
pub(crate) struct CalendarTimes {
    schedule: Schedule,
    /// How far the runs have come.
    progress: Progress,
    /// The clocks at the last look.
    seen: Clocks,
    /// When the last run was due.
    due: UnixSeconds,
}

/// The clock that can be set, and the one that cannot, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    /// Since 1970.
    real: i128,
    /// Since boot, with the time in suspend.
    boot: i128,
}

/// What a look at the clocks shows.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// A run is due at once.
    Due(Woken),
    /// The next run, if there is one.
    Next(Option<UnixSeconds>),
}

/// A clock that has been set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    /// By how many seconds.
    by: i64,
    is_due: bool,
}

impl Clocks {
    fn now() -> Self {
        let real = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => -nanos(before.duration()),
        };
        Self { real, boot: nanos(clock::since_boot().unwrap_or_else(clock::now)) }
    }

    fn seconds(self) -> UnixSeconds {
        UnixSeconds(seconds(self.real))
    }

    /// Returns the time that the clock would show if it had not been set since an earlier look. It counts as set if it
    /// differs by a second or more.
    fn without_change_since(self, seen: Self) -> Self {
        let real = seen.real + (self.boot - seen.boot);
        if (self.real - real).abs() < SECOND { self } else { Self { real, ..self } }
    }

    /// Returns the time since a moment.
    fn since(self, moment: UnixSeconds) -> Duration {
        let nanos = self.real - i128::from(moment.0) * SECOND;
        u64::try_from(nanos).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// Returns the time until a moment.
    fn until(self, moment: UnixSeconds) -> Duration {
        let nanos = i128::from(moment.0) * SECOND - self.real;
        u64::try_from(nanos.clamp(0, u64::MAX.into())).map_or(Duration::ZERO, Duration::from_nanos)
    }
}

impl CalendarTimes {
    /// Begins to count at this moment. If a run was due since the last success, this also returns how long ago.
    pub(crate) fn begin(schedule: Schedule, last: Option<LastSuccess>) -> (Self, Option<Duration>) {
        Self::begin_after(schedule, last, Clocks::now())
    }

    fn begin_after(schedule: Schedule, last: Option<LastSuccess>, now: Clocks) -> (Self, Option<Duration>) {
        let times = Self::begin_at(schedule, now);
        let Some(LastSuccess { due, ended }) = last else { return (times, None) };
        let ended = UnixSeconds(seconds(nanos(ended)));
        let missed = times.schedule.next(ended).filter(|missed| *missed <= now.seconds());
        let due = missed.unwrap_or(UnixSeconds(seconds(nanos(due))));
        (Self { due, ..times }, missed.map(|missed| now.since(missed)))
    }

    fn begin_at(schedule: Schedule, now: Clocks) -> Self {
        let progress = schedule.progress(now.seconds());
        Self { schedule, progress, seen: now, due: now.seconds() }
    }

    /// Returns when the last run was due, since 1970.
    pub(crate) fn last_due(&self) -> Duration {
        Duration::from_secs(self.due.0.try_into().unwrap_or(0))
    }

    /// Waits until the next run is due.
    ///
    /// The wait ends when the clock is set, and the next run is then computed anew.
    pub(crate) fn wait(
        &mut self,
        name: &str,
        context: &Context,
        wanted: &dyn Fn() -> Option<Interruption>,
    ) -> Result<Woken, Interruption> {
        let mut has_waited = false;
        loop {
            let now = Clocks::now();
            let (set, seen) = self.look(now, has_waited);
            if let Some(Set { by, is_due }) = set {
                log::report(name, Notice::ClockSet { by, is_due });
            }
            let interruption = match seen {
                Seen::Due(woken) => return Ok(woken),
                Seen::Next(Some(due)) => {
                    let moment = Duration::from_secs(due.0.try_into().unwrap_or(0));
                    context.sleep_for_clock(moment, now.until(due), wanted)
                }
                Seen::Next(None) => context.sleep(None, wanted),
            };
            interruption.map_or(Ok(()), Err)?;
            has_waited = true;
        }
    }

    /// Looks at the clocks. A run that is due although the daemon has not waited is late because of its jitter, or
    /// because of the run before, and takes the place of no other run.
    fn look(&mut self, now: Clocks, has_waited: bool) -> (Option<Set>, Seen) {
        let unset = now.without_change_since(self.seen);
        self.seen = now;
        if unset.real != now.real {
            let by = seconds(now.real - unset.real + SECOND / 2);
            let step = self.schedule.step(self.progress, unset.seconds(), now.seconds());
            self.progress = step.progress;
            let is_due = step.late.is_some() || step.is_due;
            if is_due {
                self.due = now.seconds();
                let late = step.late.map_or(Duration::ZERO, |due| unset.since(due));
                let woken = Woken { late, skipped: 0, is_remarkable: false };
                return (Some(Set { by, is_due }), Seen::Due(woken));
            }
            return (Some(Set { by, is_due }), Seen::Next(self.schedule.next_from(self.progress)));
        }
        let next = self.schedule.next_from(self.progress);
        let Some(due) = next.filter(|due| *due <= now.seconds()) else {
            return (None, Seen::Next(next));
        };
        let late = now.since(due);
        let skipped = self.pass(if has_waited { now.seconds() } else { due }).saturating_sub(1);
        self.due = due;
        let is_remarkable = has_waited && (skipped > 0 || late >= REMARKABLE);
        (None, Seen::Due(Woken { late, skipped, is_remarkable }))
    }

    /// Computes which runs are skipped, because they were due while the last one ran.
    pub(crate) fn run_ended(&mut self, jitter: Duration) -> RunEnd {
        self.run_ended_at(Clocks::now(), jitter)
    }

    fn run_ended_at(&mut self, now: Clocks, jitter: Duration) -> RunEnd {
        // If the clock has been set meanwhile, the next look sees that.
        let now = now.without_change_since(self.seen);
        // A run is missed only if it is later than its jitter alone can make it.
        let by = Clocks { real: now.real - nanos(jitter), ..now };
        let behind = now.since(self.due);
        let skipped = self.pass(by.seconds());
        RunEnd { skipped, behind, late: Duration::ZERO }
    }

    /// Advances the schedule to this moment, and returns how many runs it has passed.
    fn pass(&mut self, now: UnixSeconds) -> u64 {
        let mut passed = 0;
        while let Some(due) = self.schedule.next_from(self.progress).filter(|due| *due <= now) {
            self.progress = self.schedule.advance(self.progress, due);
            passed += 1;
        }
        self.progress = self.schedule.advance(self.progress, now);
        passed
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn seconds(nanos: i128) -> i64 {
    i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use daemon_schedule::Zone;

    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    /// 2026-05-05 03:00:20 UTC.
    const THREE: i64 = 1_777_950_020;

    /// Clocks that a test sets.
    struct Machine {
        times: CalendarTimes,
        now: Clocks,
    }

    impl Machine {
        fn at_three(expression: &str) -> Self {
            let now = Clocks { real: i128::from(THREE) * SECOND, boot: 1_000 * SECOND };
            let schedule = Schedule::new(expression.parse().unwrap(), Zone::UTC);
            Self { times: CalendarTimes::begin_at(schedule, now), now }
        }

        /// Lets time pass.
        fn pass(&mut self, seconds: i64) {
            self.now.real += i128::from(seconds) * SECOND;
            self.now.boot += i128::from(seconds) * SECOND;
        }

        fn set(&mut self, seconds: i64) {
            self.now.real += i128::from(seconds) * SECOND;
        }

        fn look(&mut self) -> (Option<Set>, Seen) {
            self.times.look(self.now, true)
        }

        /// Returns the time of the next run, counted from three o'clock.
        #[track_caller]
        fn next(&mut self) -> i64 {
            match self.look() {
                (None, Seen::Next(Some(due))) => due.0 - THREE,
                other => panic!("{other:?}"),
            }
        }

        /// Sets the clock, and returns whether a run is due.
        #[track_caller]
        fn is_due_after(&mut self, seconds: i64) -> bool {
            self.set(seconds);
            let (set, seen) = self.look();
            let set = set.unwrap();
            assert_eq!((set.by, set.is_due), (seconds, matches!(seen, Seen::Due(_))));
            set.is_due
        }

        /// Returns how late a run is and how many it replaces.
        #[track_caller]
        fn due(&mut self) -> (u64, u64, bool) {
            match self.look() {
                (None, Seen::Due(Woken { late, skipped, is_remarkable })) => {
                    (late.as_secs(), skipped, is_remarkable)
                }
                other => panic!("{other:?}"),
            }
        }

        fn run_ended(&mut self) -> RunEnd {
            self.times.run_ended_at(self.now, Duration::ZERO)
        }
    }

    #[test]
    fn a_run_that_was_due_since_the_last_success_is_made_up_for_once() {
        let now = Machine::at_three("30 3 * * *").now;
        let behind = |ended: i64| {
            let ended = Duration::from_secs((THREE + ended).try_into().unwrap());
            let schedule = Schedule::new("30 3 * * *".parse().unwrap(), Zone::UTC);
            let last = Some(LastSuccess { due: ended, ended });
            let (times, behind) = CalendarTimes::begin_after(schedule, last, now);
            // The next one comes at its time in any case.
            assert_eq!(times.schedule.next_from(times.progress), Some(UnixSeconds(THREE + 1_780)));
            behind.map(|behind| behind.as_secs())
        };
        assert_eq!(behind(1_790 - DAY), None);
        assert_eq!(behind(1_770 - DAY), Some(86_400 - 1_780));
        assert_eq!(behind(1_790 - 3 * DAY), Some(2 * 86_400 - 1_780));
    }

    #[test]
    fn a_run_is_due_at_its_time_and_once() {
        let mut machine = Machine::at_three("30 3 * * *");
        assert_eq!(machine.next(), 1_780);
        machine.pass(1_779);
        assert_eq!(machine.next(), 1_780);
        machine.pass(1);
        assert_eq!(machine.due(), (0, 0, false));
        machine.pass(5);
        assert_eq!(machine.run_ended().skipped, 0);
        assert_eq!(machine.next(), 1_780 + 24 * HOUR);
    }

    #[test]
    fn a_clock_that_is_set_by_hours_makes_up_for_a_fixed_time_and_by_more_does_not() {
        let mut machine = Machine::at_three("30 3 * * *");
        assert!(!machine.is_due_after(10 * MINUTE));
        assert!(machine.is_due_after(HOUR));
        machine.run_ended();
        assert!(!machine.is_due_after(-HOUR));
        assert!(!machine.is_due_after(-10 * MINUTE));
        assert_eq!(machine.next(), 1_780 + 24 * HOUR, "it is done for today");
        assert!(!machine.is_due_after(5 * HOUR));
        assert_eq!(machine.next(), 1_780 + 24 * HOUR);
        assert!(!machine.is_due_after(-5 * HOUR));
        assert_eq!(machine.next(), 1_780, "the clock was wrong, so this day is another one");
        assert!(!machine.is_due_after(1_461 * 24 * HOUR));
        assert_eq!(machine.next(), 1_780 + 1_461 * 24 * HOUR);
        assert!(!machine.is_due_after(-1_461 * 24 * HOUR));
        assert_eq!(machine.next(), 1_780);
    }

    #[test]
    fn a_star_follows_the_new_time() {
        let mut machine = Machine::at_three("*/30 * * * *");
        assert!(!machine.is_due_after(40 * MINUTE));
        assert!(machine.is_due_after(20 * MINUTE));
        machine.run_ended();
        assert!(machine.is_due_after(-30 * MINUTE));
        machine.run_ended();
        assert_eq!(machine.next(), 60 * MINUTE - 20);
    }

    #[test]
    fn a_run_that_was_due_before_the_clock_was_set_is_not_lost() {
        let mut machine = Machine::at_three("30 3 * * *");
        // The daemon is suspended over the due time, and the clock is set back before it wakes up.
        machine.pass(1_790);
        assert!(machine.is_due_after(-HOUR));
        machine.run_ended();
        // The clock shows that time again.
        assert_eq!(machine.next(), 1_780 + 24 * HOUR);
    }

    #[test]
    fn a_small_change_is_none() {
        let mut machine = Machine::at_three("* * * * *");
        machine.pass(40);
        assert_eq!(machine.due(), (0, 0, false));
        for _ in 0..10 {
            machine.now.real -= SECOND / 2;
            assert_eq!(machine.next(), 100, "the run at this minute is done");
        }
    }

    #[test]
    fn a_daemon_that_wakes_late_runs_once() {
        let mut machine = Machine::at_three("* * * * *");
        machine.pass(40 + 3 * MINUTE + 5);
        assert_eq!(machine.due(), (185, 3, true));
        machine.pass(1);
        assert_eq!(machine.run_ended().skipped, 0);
        assert_eq!(machine.next(), 40 + 4 * MINUTE);
        // Late, but nothing is skipped.
        machine.pass(60);
        assert_eq!(machine.due(), (6, 0, false));
        machine.run_ended();
        machine.pass(65);
        assert_eq!(machine.due(), (11, 0, true));
    }

    #[test]
    fn runs_that_are_due_during_another_are_skipped() {
        let mut machine = Machine::at_three("* * * * *");
        machine.pass(40);
        assert_eq!(machine.due(), (0, 0, false));
        machine.pass(150);
        let end = RunEnd { skipped: 2, behind: Duration::from_secs(150), late: Duration::ZERO };
        assert_eq!(machine.run_ended(), end);
        assert_eq!(machine.next(), 40 + 180);
    }

    #[test]
    fn a_run_that_is_late_by_its_jitter_is_not_skipped() {
        let mut machine = Machine::at_three("* * * * *");
        machine.pass(40);
        assert_eq!(machine.due(), (0, 0, false));
        machine.pass(70);
        let jitter = Duration::from_secs(120);
        assert_eq!(machine.times.run_ended_at(machine.now, jitter).skipped, 0);
        let late = |seconds| {
            let late = Duration::from_secs(seconds);
            (None, Seen::Due(Woken { late, skipped: 0, is_remarkable: false }))
        };
        assert_eq!(machine.times.look(machine.now, false), late(10));
        machine.pass(120);
        assert_eq!(machine.times.run_ended_at(machine.now, jitter).skipped, 0);
        assert_eq!(machine.times.look(machine.now, false), late(70));
        assert_eq!(machine.times.run_ended_at(machine.now, jitter).skipped, 0);
        assert_eq!(machine.times.look(machine.now, false), late(10));
        machine.pass(240);
        assert_eq!(machine.times.run_ended_at(machine.now, jitter).skipped, 2);
    }

    #[test]
    fn a_clock_that_is_set_during_a_run_is_seen_after_it() {
        let mut machine = Machine::at_three("0,30 * * * *");
        machine.pass(1_780);
        assert_eq!(machine.due(), (0, 0, false));
        machine.pass(10);
        machine.set(40 * MINUTE);
        assert_eq!(machine.run_ended().skipped, 0);
        let (set, seen) = machine.look();
        assert_eq!(set, Some(Set { by: 40 * MINUTE, is_due: false }));
        assert!(matches!(seen, Seen::Next(Some(_))), "the hour has a `*`, and the clock shows ten past");
        machine.run_ended();
    }
}
