//! Every change of every zone's clock: the next due time is the one at which cron would start a job.
//!
//! An oracle does what Debian's cron does, minute by minute, with offsets from zdump(8). It shares
//! nothing with the code under test: neither the parser, nor the calendar, nor the zones.
//!
//! `DAEMONIC_TORTURE=long` takes all zones and all of their transitions from 1971 to 2037.
//! `DAEMONIC_SEED` repeats the run with that seed.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers are days and minutes"
)]

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use common::torture::{Dice, each, say};
use common::{available_or_skip, is_long, tool_or_skip};
use daemon_schedule::{Cron, Schedule, UnixSeconds, Zone};

const ZONES: &str = "/usr/share/zoneinfo";
const DAY: i64 = 86_400;
const HOUR: i64 = 3600;
/// The beginnings of 1971 and of 2038.
const FIRST: i64 = 31_536_000;
const LAST: i64 = 2_145_916_800;

/// Zones whose clocks do what few others do: half an hour, a whole day, twice within days, across
/// midnight, for a month, far from the hour.
const PECULIAR: [&str; 18] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Monrovia",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
];

// ---- the oracle's calendar ----

#[derive(Clone, Copy)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// 0 is Sunday.
    weekday: i64,
    /// The days of the month.
    length: i64,
}

/// The days from 1970 on, by counting.
static DATES: LazyLock<Vec<Date>> = LazyLock::new(|| {
    let mut dates = Vec::new();
    for year in 1970..2150 {
        let leap = year % 400 == 0 || year % 4 == 0 && year % 100 != 0;
        let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in (1..).zip(lengths) {
            for day in 1..=length {
                let weekday = (4 + dates.len() as i64) % 7;
                dates.push(Date { year, month, day, weekday, length });
            }
        }
    }
    dates
});

fn date(minute: i64) -> Date {
    DATES[usize::try_from(minute.div_euclid(1440)).expect("a day after 1970")]
}

// ---- random expressions ----

#[derive(Clone, Copy)]
enum Item {
    Every(i64),
    Range { first: i64, last: i64, step: i64 },
    Last,
    LastWorkday,
    NearestWorkday(i64),
    Nth { weekday: i64, place: i64 },
    LastOf(i64),
}

struct Field {
    items: Vec<Item>,
    /// The least value, from which the steps of a `*` count.
    first: i64,
}

/// An expression as its writer means it, not as a parser reads it.
struct Job {
    text: String,
    minute: Field,
    hour: Field,
    date: Field,
    month: Field,
    weekday: Field,
    /// The minutes of a day, whatever the day.
    times: Vec<bool>,
}

impl Item {
    fn plain(self, value: i64, first: i64) -> bool {
        match self {
            Self::Every(step) => (value - first) % step == 0,
            Self::Range { first, last, step } => {
                (first..=last).contains(&value) && (value - first) % step == 0
            }
            _ => false,
        }
    }

    fn is_on(self, on: Date, first: i64, value: i64) -> bool {
        let weekday_of = |day: i64| (on.weekday + day - on.day + 35).rem_euclid(7);
        let is_workday = |day: i64| (1..=5).contains(&weekday_of(day));
        match self {
            Self::Last => on.day == on.length,
            Self::LastWorkday => {
                is_workday(on.day) && (on.day + 1..=on.length).all(|later| !is_workday(later))
            }
            Self::NearestWorkday(wanted) if wanted > on.length => false,
            Self::NearestWorkday(wanted) => {
                let near = (1..=on.length).filter(|day| is_workday(*day));
                near.min_by_key(|day| (day - wanted).abs()) == Some(on.day)
            }
            Self::Nth { weekday, place } => on.weekday == weekday % 7 && (on.day - 1) / 7 + 1 == place,
            Self::LastOf(weekday) => on.weekday == weekday % 7 && on.day + 7 > on.length,
            _ => self.plain(value, first),
        }
    }
}

impl Field {
    fn has(&self, value: i64) -> bool {
        self.items.iter().any(|item| item.plain(value, self.first))
    }

    fn is_on(&self, on: Date, value: i64) -> bool {
        self.items.iter().any(|item| item.is_on(on, self.first, value))
    }

    fn begins_with_star(&self) -> bool {
        matches!(self.items[0], Item::Every(_))
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, item) in self.items.iter().enumerate() {
            if number > 0 {
                f.write_char(',')?;
            }
            match *item {
                Item::Every(1) => write!(f, "*")?,
                Item::Every(step) => write!(f, "*/{step}")?,
                Item::Range { first, last, .. } if first == last => write!(f, "{first}")?,
                Item::Range { first, last, step: 1 } => write!(f, "{first}-{last}")?,
                Item::Range { first, last, step } => write!(f, "{first}-{last}/{step}")?,
                Item::Last => write!(f, "L")?,
                Item::LastWorkday => write!(f, "LW")?,
                Item::NearestWorkday(day) => write!(f, "{day}W")?,
                Item::Nth { weekday, place } => write!(f, "{weekday}#{place}")?,
                Item::LastOf(weekday) => write!(f, "{weekday}L")?,
            }
        }
        Ok(())
    }
}

impl Job {
    /// Makes an expression that is often due near a minute of a day.
    fn random(dice: &mut Dice, near: Date, minute: i64) -> Self {
        let hour = minute.rem_euclid(1440) / 60;
        let hours: Vec<_> = (-3..=3).map(|off| (hour + off).rem_euclid(24)).collect();
        let minutes = [0, 0, 0, 1, 15, 29, 30, 30, 31, 45, 59];
        let days: Vec<_> = (-2..=2).map(|off| (near.day + off).clamp(1, 31)).collect();
        let weekdays: Vec<_> = (-1..=1).map(|off| (near.weekday + off).rem_euclid(7)).collect();
        let star = |dice: &mut Dice, percent: usize| dice.below(100) < percent;
        let minute = Field::random(dice, 0, 59, &minutes, 15, &[]);
        let hour = Field::random(dice, 0, 23, &hours, 20, &[]);
        let special = [
            Item::Last,
            Item::LastWorkday,
            Item::NearestWorkday(dice.pick(&days)),
            Item::NearestWorkday(dice.pick(&[1, 15, 30, 31])),
        ];
        let date_stars = if star(dice, 65) { 100 } else { 20 };
        let date = Field::random(dice, 1, 31, &days, date_stars, &special);
        let month = Field::random(dice, 1, 12, &[near.month], 85, &[]);
        let special = [
            Item::Nth { weekday: dice.pick(&weekdays), place: 1 + dice.below(5) as i64 },
            Item::LastOf(dice.pick(&weekdays)),
        ];
        let weekday_stars = if star(dice, 65) { 100 } else { 20 };
        let weekday = Field::random(dice, 0, 7, &weekdays, weekday_stars, &special);
        let text = format!("{minute} {hour} {date} {month} {weekday}");
        let times = (0..1440).map(|time| minute.has(time % 60) && hour.has(time / 60)).collect();
        Self { text, minute, hour, date, month, weekday, times }
    }

    fn is_on_day(&self, on: Date) -> bool {
        let by_date = self.date.is_on(on, on.day);
        let by_weekday = self.weekday.is_on(on, on.weekday) || on.weekday == 0 && self.weekday.is_on(on, 7);
        self.month.has(on.month)
            && if self.date.begins_with_star() || self.weekday.begins_with_star() {
                by_date && by_weekday
            } else {
                by_date || by_weekday
            }
    }

    fn is_at(&self, minute: i64) -> bool {
        self.times[minute.rem_euclid(1440) as usize] && self.is_on_day(date(minute))
    }

    fn is_wild(&self) -> bool {
        self.minute.begins_with_star() || self.hour.begins_with_star()
    }
}

impl Field {
    fn random(dice: &mut Dice, first: i64, last: i64, near: &[i64], stars: usize, special: &[Item]) -> Self {
        let mut items = Vec::new();
        loop {
            let value = if dice.below(3) > 0 {
                dice.pick(near)
            } else {
                first + dice.below((last - first + 1) as usize) as i64
            };
            let end = value + dice.below((last - value + 1) as usize) as i64;
            let step = |dice: &mut Dice, width: i64| 1 + dice.below(width.clamp(1, 12) as usize) as i64;
            items.push(if dice.below(100) < stars && items.is_empty() || dice.below(40) == 0 {
                let is_stepped = stars < 100 && dice.below(2) == 0;
                Item::Every(if is_stepped { step(dice, last - first) } else { 1 })
            } else if !special.is_empty() && dice.below(3) == 0 {
                dice.pick(special)
            } else if dice.below(3) == 0 {
                Item::Range { first: value, last: end, step: step(dice, end - value) }
            } else {
                Item::Range { first: value, last: value, step: 1 }
            });
            if stars == 100 || dice.below(3) > 0 {
                return Self { items, first };
            }
        }
    }
}

// ---- the oracle's zones ----

/// When a clock goes from which offset on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Eras(Vec<(i64, i64)>);

impl Eras {
    fn offset(&self, at: i64) -> i64 {
        let after = self.0.partition_point(|(start, _)| *start <= at);
        self.0[after.saturating_sub(1)].1
    }

    /// Returns the first change after a moment.
    fn next(&self, at: i64) -> i64 {
        let after = self.0.partition_point(|(start, _)| *start <= at);
        self.0.get(after).map_or(i64::MAX, |(start, _)| *start)
    }

    /// Returns whether there is a change from one moment to another.
    fn changes(&self, from: i64, to: i64) -> bool {
        self.next(from) <= to
    }
}

/// Asks zdump(8) for the transitions of some zones.
fn zdump(names: &[String]) -> BTreeMap<Eras, String> {
    let output = Command::new("zdump").args(["-V", "-c", "1970,2060"]).args(names).output().expect("zdump");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut zones: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for line in text.lines() {
        // NAME  Sun Mar 29 01:00:00 2020 UT = Sun Mar 29 03:00:00 2020 CEST isdst=1 gmtoff=7200
        let words: Vec<_> = line.split_whitespace().collect();
        let offset = words.last().and_then(|word| word.strip_prefix("gmtoff=")).expect("an offset");
        let moment = moment(words[5], words[2], words[3], words[4]);
        zones.entry(words[0].to_owned()).or_default().push((moment, offset.parse().expect("a number")));
    }
    // Zones that differ in nothing but their name are one. UTC has no transitions.
    let zones = zones.into_iter().map(|(name, eras)| (Eras(eras), name));
    zones.chain([(Eras(vec![(0, 0)]), "UTC".to_owned())]).collect()
}

fn moment(year: &str, month: &str, day: &str, time: &str) -> i64 {
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + names.iter().position(|name| *name == month).expect("a month") as i64;
    let (year, day): (i64, i64) = (year.parse().expect("a year"), day.parse().expect("a day"));
    let is_it = |date: &Date| (date.year, date.month, date.day) == (year, month, day);
    // The table is in order, so a binary search would do; but it must not be clever.
    let near = ((year - 1970) * 365) as usize;
    let days = near + DATES[near..].iter().position(is_it).expect("a date of the table");
    let mut seconds = days as i64 * DAY;
    for (part, unit) in time.split(':').zip([HOUR, 60, 1]) {
        seconds += part.parse::<i64>().expect("a number") * unit;
    }
    seconds
}

fn all_names() -> Vec<String> {
    fn search(folder: &Path, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                search(&path, names);
            } else if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"TZif")) {
                names.push(path.strip_prefix(ZONES).expect("a zone").to_str().expect("text").to_owned());
            }
        }
    }
    let mut names = Vec::new();
    search(Path::new(ZONES), &mut names);
    // Copies with and without leap seconds, and names that are no zones.
    names.retain(|name| {
        !["posix/", "right/", "posixrules", "localtime"].iter().any(|no| name.starts_with(no))
    });
    names.sort();
    names
}

/// Returns the zones to try, or `None` if the system cannot tell them.
fn zones(dice: &mut Dice, few: usize) -> Option<Vec<(String, Eras)>> {
    if !tool_or_skip(&["zdump", "--version"]) || !available_or_skip("tzdata", Path::new(ZONES).is_dir()) {
        return None;
    }
    let names = if is_long() {
        all_names()
    } else {
        let mut names = all_names();
        dice.shuffle(&mut names);
        names.truncate(few);
        names.extend(PECULIAR.map(str::to_owned));
        names
    };
    Some(zdump(&names).into_iter().map(|(eras, name)| (name, eras)).collect())
}

// ---- the oracle ----

/// The clock of a machine: when somebody sets it, and by how much.
struct Clock<'a> {
    eras: &'a Eras,
    /// Moments of elapsed time, each with how far the clock is off from then on.
    steps: &'a [(i64, i64)],
}

impl Clock<'_> {
    /// Returns what the clock shows after some elapsed time, in UTC.
    fn utc(&self, elapsed: i64) -> i64 {
        let off = self.steps.iter().rev().find(|(moment, _)| *moment <= elapsed);
        elapsed + off.map_or(0, |(_, off)| *off)
    }

    /// Returns how far the clock's local time is ahead of elapsed time, and until when.
    fn ahead(&self, elapsed: i64) -> (i64, i64) {
        let utc = self.utc(elapsed);
        let change = self.eras.next(utc).saturating_sub(utc).saturating_add(elapsed);
        let step = self.steps.iter().map(|(moment, _)| *moment).find(|moment| *moment > elapsed);
        (utc + self.eras.offset(utc) - elapsed, change.min(step.unwrap_or(i64::MAX)))
    }

    fn is_quiet(&self, from: i64, to: i64) -> bool {
        let utc = |elapsed| self.utc(elapsed);
        !self.eras.changes(utc(from), utc(to))
            && !self.steps.iter().any(|(moment, _)| (from..=to).contains(moment))
    }
}

/// Returns the first moments after `after` and up to `end` at which cron starts a job.
fn cron(job: &Job, clock: &Clock, after: i64, end: i64, most: usize) -> Vec<i64> {
    let mut now = after - 2 * DAY;
    while !clock.is_quiet(now - 4 * HOUR, now) {
        now -= HOUR;
    }
    let mut runs = Vec::new();
    let (mut ahead, mut until) = clock.ahead(now);
    // What cron calls timeRunning and virtualTime.
    let mut running = (now + ahead).div_euclid(60);
    let mut reached = running;
    loop {
        // A whole day without a run, in which the clock does nothing.
        let quiet_day = running % 1440 == 1439
            && reached == running
            && !job.is_on_day(date(running + 1))
            && clock.is_quiet(now - HOUR, now + DAY + HOUR);
        if quiet_day {
            now += DAY;
            (running, reached) = (running + 1440, running + 1440);
        }
        // cron sleeps until the clock shows another minute.
        now += 60 - (now + ahead).rem_euclid(60);
        if now >= until {
            now = until;
            (ahead, until) = clock.ahead(now);
        }
        if now > end || runs.len() == most {
            return runs;
        }
        let shown = (now + ahead).div_euclid(60);
        if shown == running {
            continue;
        }
        running = shown;
        let mut started = false;
        let mut start = |minute: i64, wild: bool, fixed: bool| {
            started |= (if job.is_wild() { wild } else { fixed }) && job.is_at(minute);
        };
        match running - reached {
            1..=5 => {
                while reached < running {
                    reached += 1;
                    start(reached, true, true);
                }
            }
            6..=180 => {
                start(running, true, false);
                while reached < running {
                    reached += 1;
                    start(reached, false, true);
                }
            }
            -179..=0 => start(running, true, false),
            _ => {
                reached = running;
                start(running, true, true);
            }
        }
        if started && now > after {
            runs.push(now);
        }
    }
}

// ---- the comparisons ----

/// The most runs to compare in a case.
const MOST: usize = 40;

struct Differences {
    cases: usize,
    due: usize,
    found: Vec<String>,
}

fn parsed(job: &Job) -> Option<Cron> {
    // An expression that never comes is refused; the oracle agrees if it is on no day of a century.
    match job.text.parse() {
        Ok(cron) => Some(cron),
        Err(error) => {
            let never = !DATES.iter().any(|on| job.is_on_day(*on));
            assert!(never, "{}: {error}", job.text);
            None
        }
    }
}

#[test]
fn the_next_time_is_the_one_at_which_cron_would_start_the_job() {
    let mut dice = Dice::new("schedule::next");
    let Some(zones) = zones(&mut dice, 8) else { return };
    let (each_time, few) = if is_long() { (8, usize::MAX) } else { (3, 6) };
    let begun = Instant::now();
    let numbered: Vec<_> = zones.iter().enumerate().collect();
    let results = each(&numbered, 2, |(number, (name, eras))| {
        let mut dice = dice.of_round(*number);
        let zone = Zone::named(name).expect("a zone of the database");
        let mut moments: Vec<_> =
            eras.0.iter().map(|(start, _)| *start).filter(|at| (FIRST..LAST).contains(at)).collect();
        moments.dedup();
        dice.shuffle(&mut moments);
        moments.truncate(few);
        if moments.is_empty() {
            moments = vec![951_782_400; 6];
        }
        let mut differences = Differences { cases: 0, due: 0, found: Vec::new() };
        for moment in moments {
            for _ in 0..each_time {
                compare(&mut dice, name, &zone, eras, moment, &mut differences);
            }
        }
        differences
    });
    let results: Vec<_> =
        results.into_iter().map(|result| result.unwrap_or_else(|failure| panic!("{failure}"))).collect();
    report("schedule::next", zones.len(), &results, begun);
}

fn compare(
    dice: &mut Dice,
    name: &str,
    zone: &Zone,
    eras: &Eras,
    moment: i64,
    differences: &mut Differences,
) {
    let minute = (moment + eras.offset(moment)).div_euclid(60);
    let job = Job::random(dice, date(minute), minute);
    let Some(cron_expression) = parsed(&job) else { return };
    // Half of them are close to the change.
    let hours = dice.pick(&[3, 30]);
    let after = moment + dice.below(2 * hours * 3600) as i64 - hours as i64 * HOUR;
    let end = after + dice.pick(&[4 * DAY, 4 * DAY, 400 * DAY]);
    let wanted = cron(&job, &Clock { eras, steps: &[] }, after, end, MOST);
    let schedule = Schedule::new(cron_expression, zone.clone());
    let in_time = |due: &UnixSeconds| due.0 <= end;
    let found: Vec<_> =
        schedule.upcoming(UnixSeconds(after)).take_while(in_time).take(MOST).map(|due| due.0).collect();
    differences.cases += 1;
    differences.due += wanted.len();
    if found != wanted {
        differences.found.push(format!("{name} `{}` after {after}: {found:?}, cron {wanted:?}", job.text));
        return;
    }
    // Each of them follows from the moment before it alone.
    for pair in wanted.windows(2) {
        let next = schedule.next(UnixSeconds(pair[0]));
        if next != Some(UnixSeconds(pair[1])) {
            differences
                .found
                .push(format!("{name} `{}` after {}: {next:?}, cron {}", job.text, pair[0], pair[1]));
        }
    }
}

#[test]
fn after_a_step_of_the_clock_the_runs_are_those_of_cron() {
    let mut dice = Dice::new("schedule::step");
    let Some(zones) = zones(&mut dice, 4) else { return };
    let each_zone = if is_long() { 200 } else { 40 };
    let begun = Instant::now();
    let numbered: Vec<_> = zones.iter().enumerate().collect();
    let results = each(&numbered, 2, |(number, (name, eras))| {
        let mut dice = dice.of_round(*number);
        let zone = Zone::named(name).expect("a zone of the database");
        let mut differences = Differences { cases: 0, due: 0, found: Vec::new() };
        for _ in 0..each_zone {
            compare_steps(&mut dice, name, &zone, eras, &mut differences);
        }
        differences
    });
    let results: Vec<_> =
        results.into_iter().map(|result| result.unwrap_or_else(|failure| panic!("{failure}"))).collect();
    report("schedule::step", zones.len(), &results, begun);
}

fn compare_steps(dice: &mut Dice, name: &str, zone: &Zone, eras: &Eras, differences: &mut Differences) {
    // So that no step leads to where zdump has not been asked.
    let moment = dice.pick(&eras.0).0.clamp(700_000_000, LAST);
    let begin = moment + dice.below(48 * 3600) as i64 - 24 * HOUR;
    let end = begin + 3 * DAY;
    let (mut steps, mut at, mut off) = (Vec::new(), begin, 0);
    for _ in 0..=dice.below(3) {
        let hours = dice.pick(&[1, 4, 20]);
        at += 1 + dice.below(hours * 3600) as i64;
        // Where cron's rule changes, what counts is the minute.
        let size = dice.pick(&[20, 300, 360, 600, HOUR, 2 * HOUR, 3 * HOUR, 3 * HOUR, 5 * HOUR, 1461 * DAY]);
        let size = size + dice.pick(&[0, -60, 60, dice.clone().below(400) as i64 - 200]);
        off += if dice.below(2) == 0 { size } else { -size };
        steps.push((at, off));
    }
    let minute = (begin + eras.offset(begin)).div_euclid(60);
    let job = Job::random(dice, date(minute), minute);
    let Some(cron_expression) = parsed(&job) else { return };
    let wanted = cron(&job, &Clock { eras, steps: &steps }, begin, end, usize::MAX);

    let schedule = Schedule::new(cron_expression, zone.clone());
    let mut progress = schedule.progress(UnixSeconds(begin));
    let mut found = Vec::new();
    let mut off = 0;
    for (until, next_off) in steps.iter().copied().chain([(end + 1, 0)]) {
        // At the moment of a step, cron sees only the new time.
        while let Some(due) = schedule.next_from(progress).filter(|due| due.0 - off < until) {
            found.push(due.0 - off);
            progress = schedule.advance(progress, due);
        }
        if until <= end {
            let step = schedule.step(progress, UnixSeconds(until + off - 1), UnixSeconds(until + next_off));
            assert_eq!(step.late, None, "{name} `{}`: {steps:?}", job.text);
            if step.is_due {
                found.push(until);
            }
            (progress, off) = (step.progress, next_off);
        }
    }
    differences.cases += 1;
    differences.due += wanted.len();
    if found != wanted {
        let different = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
        differences.found.push(format!(
            "{name} `{}` from {begin}, {steps:?}: {different:?} of {} and {}",
            job.text,
            found.len(),
            wanted.len()
        ));
    }
}

fn report(what: &str, zones: usize, results: &[Differences], begun: Instant) {
    let cases: usize = results.iter().map(|result| result.cases).sum();
    let due: usize = results.iter().map(|result| result.due).sum();
    let found: Vec<_> = results.iter().flat_map(|result| &result.found).collect();
    let seconds = begun.elapsed().as_secs_f64();
    say(format_args!(
        "{what}: {cases} cases, {due} due times, {zones} zones, {} differences, {seconds:.1}s",
        found.len()
    ));
    assert!(cases >= if is_long() && what == "schedule::next" { 100_000 } else { 100 }, "only {cases} cases");
    let some: Vec<_> = found.iter().take(10).map(|difference| difference.as_str()).collect();
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), some.join("\n"));
}
