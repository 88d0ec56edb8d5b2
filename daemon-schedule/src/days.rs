//! The days of a month that an expression names.

use crate::calendar::Month;

/// What the fields for the day of the month and for the day of the week ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Days of the month, as bits 1 to 31.
    pub dates: u32,
    /// The last day of the month: `L`.
    pub last: bool,
    /// The last day of the month that is from Monday to Friday: `LW`.
    pub last_workday: bool,
    /// Days whose nearest day from Monday to Friday is meant, as bits 1 to 31: `15W`.
    pub nearest_workday: u32,
    /// Weekdays, as bits 0 (Sunday) to 6.
    pub weekdays: u8,
    /// Weekdays by their place in the month, from the first to the fifth: `FRI#2`.
    pub nth_weekdays: [u8; 5],
    /// The last of these weekdays in the month: `FRIL`.
    pub last_weekdays: u8,
    /// Whether a day must match both fields. By cron(8) it must if one of them begins with a `*`;
    /// otherwise one is enough.
    pub both: bool,
}

impl Days {
    /// Returns the matching days of a month, as bits 1 to 31.
    pub fn of(&self, month: Month) -> u32 {
        let (dates, weekdays) = (self.by_date(month), self.by_weekday(month));
        if self.both { dates & weekdays } else { dates | weekdays }
    }

    fn by_date(&self, month: Month) -> u32 {
        let length = month.length();
        let mut days = self.dates;
        if self.last {
            days |= 1 << length;
        }
        if self.last_workday {
            days |= 1 << nearest_workday(month, length);
        }
        for day in (1..=length).filter(|day| self.nearest_workday & 1 << day != 0) {
            days |= 1 << nearest_workday(month, day);
        }
        days & span(1, length)
    }

    fn by_weekday(&self, month: Month) -> u32 {
        let length = month.length();
        let mut days = spread(self.weekdays, month);
        for (first, weekdays) in (1..).step_by(7).zip(self.nth_weekdays) {
            days |= spread(weekdays, month) & span(first, first + 6);
        }
        days |= spread(self.last_weekdays, month) & span(length - 6, length);
        days & span(1, length)
    }
}

/// Returns the bits from `first` to `last`.
fn span(first: u8, last: u8) -> u32 {
    let up_to = |bit: u8| u32::MAX >> (31 - bit.min(31));
    up_to(last) & !up_to(first - 1)
}

/// Returns each day of the month that is one of these weekdays.
fn spread(weekdays: u8, month: Month) -> u32 {
    if weekdays == 0 {
        return 0;
    }
    let first = month.first_weekday();
    let is_in = |day: u8| weekdays & 1 << ((first + day - 1) % 7) != 0;
    let week = (1..=7).filter(|day| is_in(*day)).fold(0_u32, |days, day| days | 1 << day);
    week | week << 7 | week << 14 | week << 21 | week << 28
}

/// Returns the day from Monday to Friday that is nearest to a day, in the same month.
fn nearest_workday(month: Month, day: u8) -> u8 {
    match (month.first_weekday() + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == month.length() => day - 2,
        0 => day + 1,
        _ => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(days: &Days, year: i64, month: u8) -> Vec<u8> {
        let found = days.of(Month { year, month });
        (0..32).filter(|day| found & 1 << day != 0).collect()
    }

    #[test]
    fn the_nearest_workday_stays_in_its_month() {
        let near = |day: u8| Days { nearest_workday: 1 << day, ..Days::default() };
        // August 2026 begins on a Saturday, and May 2026 ends on a Sunday.
        assert_eq!(listed(&near(1), 2026, 8), [3]);
        assert_eq!(listed(&near(2), 2026, 8), [3]);
        assert_eq!(listed(&near(8), 2026, 8), [7]);
        assert_eq!(listed(&near(12), 2026, 8), [12]);
        assert_eq!(listed(&near(31), 2026, 5), [29]);
        assert_eq!(listed(&near(31), 2026, 4), [0; 0]);
        let last = Days { last_workday: true, ..Days::default() };
        assert_eq!(listed(&last, 2026, 5), [29]);
        assert_eq!(listed(&last, 2026, 2), [27]);
    }

    #[test]
    fn weekdays_are_counted_from_both_ends_of_the_month() {
        let second_and_fifth = Days { nth_weekdays: [0, 1 << 1, 0, 0, 1 << 1], ..Days::default() };
        assert_eq!(listed(&second_and_fifth, 2026, 3), [9, 30]);
        assert_eq!(listed(&second_and_fifth, 2026, 2), [9]);
        let last = Days { last_weekdays: 1 << 5 | 1, ..Days::default() };
        assert_eq!(listed(&last, 2026, 2), [22, 27]);
        assert_eq!(listed(&last, 2026, 5), [29, 31]);
    }

    #[test]
    fn one_field_is_enough_unless_one_begins_with_a_star() {
        let mut days = Days { dates: 1 << 13, weekdays: 1 << 5, ..Days::default() };
        assert_eq!(listed(&days, 2026, 2), [6, 13, 20, 27]);
        assert_eq!(listed(&days, 2026, 4), [3, 10, 13, 17, 24]);
        days.both = true;
        assert_eq!(listed(&days, 2026, 2), [13]);
        assert_eq!(listed(&days, 2026, 4), [0; 0]);
    }
}
