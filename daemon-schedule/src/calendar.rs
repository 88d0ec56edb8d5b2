//! The Gregorian calendar as arithmetic on day numbers.
//!
//! Day 0 is 1 January 1970, a Thursday. The calendar repeats every 400 years, weekdays included.

/// The years after which the calendar repeats.
pub const CYCLE: i64 = 400;

/// The days before each month in a year that is not a leap year.
const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    pub year: i64,
    /// From 1 to 12.
    pub month: u8,
}

impl Month {
    /// Returns how many days the month has.
    pub fn length(self) -> u8 {
        match self.month {
            2 if is_leap(self.year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// Returns the number of the month's first day.
    pub fn first_day(self) -> i64 {
        let before = BEFORE[usize::from(self.month) - 1];
        first_day_of(self.year) + before + i64::from(self.month > 2 && is_leap(self.year))
    }

    /// Returns the weekday of the month's first day; 0 is Sunday.
    pub fn first_weekday(self) -> u8 {
        weekday(self.first_day())
    }

    #[cfg(feature = "zones")]
    pub fn following(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { month: month + 1, ..self },
        }
    }

    /// Returns the month of a day, and which day of the month it is, from 1.
    #[cfg(feature = "zones")]
    pub fn of_day(day: i64) -> (Self, u8) {
        // An average year has 146097 / 400 days, so the estimate is off by one at most.
        let mut year = 1970 + (day * CYCLE).div_euclid(146_097);
        while first_day_of(year) > day {
            year -= 1;
        }
        while first_day_of(year + 1) <= day {
            year += 1;
        }
        let mut month = Self { year, month: 12 };
        while month.first_day() > day {
            month.month -= 1;
        }
        let number = u8::try_from(day - month.first_day() + 1).expect("a month has 31 days at most");
        (month, number)
    }
}

/// Returns the weekday of a day; 0 is Sunday.
pub fn weekday(day: i64) -> u8 {
    u8::try_from((day + 4).rem_euclid(7)).expect("below 7")
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % CYCLE == 0)
}

/// Returns the number of a year's first day.
fn first_day_of(year: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(CYCLE);
    // 477 leap days precede 1970.
    (year - 1970) * 365 + leap_days - 477
}

#[cfg(all(test, feature = "zones"))]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_agree_over_two_cycles() {
        let mut month = Month { year: 1600, month: 1 };
        let (mut day, mut week) = (month.first_day(), 6);
        assert_eq!(day, -135_140, "`date -ud 1600-01-01 +%s` divided by 86,400");
        while month.year < 1600 + 2 * CYCLE {
            for number in 1..=month.length() {
                assert_eq!(Month::of_day(day), (month, number));
                assert_eq!(weekday(day), week);
                (day, week) = (day + 1, (week + 1) % 7);
            }
            month = month.following();
            assert_eq!(month.first_day(), day);
        }
        assert_eq!(day, -135_140 + 2 * 146_097);
    }

    #[test]
    fn known_days_have_their_dates() {
        assert_eq!(Month::of_day(0), (Month { year: 1970, month: 1 }, 1));
        assert_eq!(Month::of_day(-1), (Month { year: 1969, month: 12 }, 31));
        assert_eq!(Month::of_day(19_782), (Month { year: 2024, month: 2 }, 29));
        assert_eq!(weekday(19_782), 4);
    }
}
