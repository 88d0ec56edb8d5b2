//! The calendar events of systemd that mean the same as a cron expression.
//!
//! Their grammar is that of [systemd.time(7)](https://man7.org/linux/man-pages/man7/systemd.time.7.html).

use crate::cron::Cron;

/// The first letters of the weekdays, from Sunday.
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The bits of all days of a month, and of all days of a week.
const ALL_DATES: u32 = !1;
const ALL_WEEKDAYS: u8 = 0x7f;

/// The days of a calendar event: weekdays and days of the month, both of which a day must match.
struct Event {
    weekdays: u8,
    dates: String,
}

impl Cron {
    /// Returns the values of `OnCalendar=` that name the same times, without a time zone. A timer can have several.
    ///
    /// systemd has events for most expressions. Returns `None` for an expression that systemd cannot express: one with
    /// the nearest workday (`15W`), or one that combines `L` or `#` in both fields of days.
    ///
    /// When the clocks change, systemd follows its own rule.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::Cron;
    ///
    /// let events = |text: &str| text.parse::<Cron>().unwrap().on_calendar();
    /// assert_eq!(events("30 3 * * MON-FRI"), Some(vec!["Mon..Fri *-*-* 3:30:00".into()]));
    /// assert_eq!(events("0 0 1 * SUN"), Some(vec!["*-*-1 0:0:00".into(), "Sun *-*-* 0:0:00".into()]));
    /// assert_eq!(events("0 0 15W * *"), None);
    /// ```
    #[must_use]
    pub fn on_calendar(&self) -> Option<Vec<String>> {
        let fields = &self.fields;
        let (hours, minutes) = (list(fields.hours.into(), 0, 23, false), list(fields.minutes, 0, 59, false));
        let months = list(fields.months.into(), 1, 12, false);
        let line = |Event { weekdays, dates }: &Event| {
            let weekdays = match *weekdays {
                ALL_WEEKDAYS => String::new(),
                weekdays => list_of_weekdays(weekdays) + " ",
            };
            format!("{weekdays}*-{months}{dates} {hours}:{minutes}:00")
        };
        self.events().map(|events| events.iter().map(line).collect())
    }

    /// Returns events for the days.
    fn events(&self) -> Option<Vec<Event>> {
        let days = &self.fields.days;
        if days.nearest_workday != 0 || days.last_workday {
            return None;
        }
        let by_date = |weekdays| {
            let mut events = Vec::new();
            if days.dates != 0 {
                events.push(Event { weekdays, dates: format!("-{}", list(days.dates.into(), 1, 31, false)) });
            }
            if days.last {
                events.push(Event { weekdays, dates: "~1".into() });
            }
            events
        };
        let has_place = days.last_weekdays != 0 || days.nth_weekdays.iter().any(|weekdays| *weekdays != 0);
        let by_weekday = |dates: u32| {
            let mut events = Vec::new();
            if days.weekdays != 0 {
                let dates = format!("-{}", list(dates.into(), 1, 31, false));
                events.push(Event { weekdays: days.weekdays, dates });
            }
            for (first, weekdays) in (1..).step_by(7).zip(days.nth_weekdays) {
                let week = (first..=31.min(first + 6)).fold(0_u32, |week, day| week | 1 << day) & dates;
                if weekdays != 0 && week != 0 {
                    events.push(Event { weekdays, dates: format!("-{}", list(week.into(), 1, 31, false)) });
                }
            }
            if days.last_weekdays != 0 {
                events.push(Event { weekdays: days.last_weekdays, dates: "~7/1".into() });
            }
            events
        };
        if !days.both {
            return Some([by_date(ALL_WEEKDAYS), by_weekday(ALL_DATES)].into_iter().flatten().collect());
        }
        match (has_place, days.last) {
            (false, _) => Some(by_date(days.weekdays)),
            (true, false) if days.last_weekdays == 0 || days.dates & ALL_DATES == ALL_DATES => {
                Some(by_weekday(days.dates))
            }
            (true, _) => None,
        }
    }
}

/// Writes values as a list with ranges, or as a star if they are all.
fn list(bits: u64, first: u8, last: u8, is_named: bool) -> String {
    let name = |value: u8| if is_named { WEEKDAYS[usize::from(value)].to_owned() } else { value.to_string() };
    let has = |value: u8| bits & 1 << value != 0;
    if (first..=last).all(has) {
        return "*".into();
    }
    let mut parts = Vec::new();
    let mut value = first;
    while value <= last {
        if !has(value) {
            value += 1;
            continue;
        }
        let end = (value..=last).take_while(|next| has(*next)).last().unwrap_or(value);
        parts.push(match end - value {
            0 => name(value),
            1 => format!("{},{}", name(value), name(end)),
            _ => format!("{}..{}", name(value), name(end)),
        });
        value = end + 1;
    }
    parts.join(",")
}

/// Writes weekdays from Monday on, as systemd's ranges run.
fn list_of_weekdays(weekdays: u8) -> String {
    let sunday = weekdays & 1 != 0;
    // Without Sunday, which comes last.
    let mut text = list(u64::from(weekdays & !1), 1, 6, true);
    if text == "*" {
        text = "Mon..Sat".into();
    }
    match (sunday, text.is_empty()) {
        (true, true) => WEEKDAYS[0].into(),
        (true, false) => format!("{text},{}", WEEKDAYS[0]),
        (false, _) => text,
    }
}
