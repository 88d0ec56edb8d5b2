//! The next minute of the local calendar that an expression names.

use crate::calendar::{CYCLE, Month};
use crate::parse::Fields;

const MINUTES_OF_A_DAY: i64 = 24 * 60;

impl Fields {
    /// Returns the first matching minute from this one on. Minutes are counted from 1 January 1970
    /// on a clock that has no zone.
    ///
    /// Whole months and days are skipped. The search ends after one cycle of the calendar.
    pub fn next_minute(&self, from: i64) -> Option<i64> {
        let (today, time) = (from.div_euclid(MINUTES_OF_A_DAY), from.rem_euclid(MINUTES_OF_A_DAY));
        let (mut month, date) = Month::of_day(today);
        let mut dates_left = u32::MAX << date;
        for _ in 0..=CYCLE * 12 {
            let mut dates = if self.months & 1 << month.month == 0 { 0 } else { self.days.of(month) };
            dates &= dates_left;
            while dates != 0 {
                let day = month.first_day() + i64::from(dates.trailing_zeros()) - 1;
                let earliest = if day == today { time } else { 0 };
                if let Some(time) = self.next_time(earliest) {
                    return Some(day * MINUTES_OF_A_DAY + time);
                }
                dates &= dates - 1;
            }
            (month, dates_left) = (month.following(), u32::MAX);
        }
        None
    }

    /// Returns the first matching minute of a day from this one on.
    fn next_time(&self, from: i64) -> Option<i64> {
        let (hour, minute) = (from / 60, from % 60);
        let this_hour = self.minutes & u64::MAX << minute;
        if self.hours & 1 << hour != 0 && this_hour != 0 {
            return Some(hour * 60 + i64::from(this_hour.trailing_zeros()));
        }
        let hours = self.hours & (u32::MAX << hour) << 1;
        (hours != 0)
            .then(|| i64::from(hours.trailing_zeros()) * 60 + i64::from(self.minutes.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    /// Returns the minute of a UTC date, as date(1) gives it.
    fn minute(year: i64, month: u8, day: i64, hour: i64, minute: i64) -> i64 {
        (Month { year, month }.first_day() + day - 1) * MINUTES_OF_A_DAY + hour * 60 + minute
    }

    #[track_caller]
    fn follows(text: &str, from: i64, wanted: i64) {
        assert_eq!(parse(text).expect("an expression").next_minute(from), Some(wanted), "{text}");
    }

    #[test]
    fn the_first_match_may_be_the_minute_itself() {
        let noon = minute(2026, 11, 27, 12, 0);
        follows("0 12 * * *", noon, noon);
        follows("0 12 * * *", noon + 1, noon + MINUTES_OF_A_DAY);
        follows("* * * * *", noon + 1, noon + 1);
        follows("59 23 31 12 *", noon, minute(2026, 12, 31, 23, 59));
    }

    #[test]
    fn rare_days_are_found_across_a_century_without_a_leap_day() {
        follows("0 0 29 2 *", minute(2096, 2, 29, 0, 1), minute(2104, 2, 29, 0, 0));
        // A leap day on a Sunday, 40 years after the one before.
        follows("0 0 29 2 */7", minute(2088, 2, 29, 0, 1), minute(2128, 2, 29, 0, 0));
        follows("0 0 * 2 MON#5", minute(2072, 2, 29, 0, 1), minute(2112, 2, 29, 0, 0));
    }

    #[test]
    fn a_search_in_every_minute_of_some_weeks_finds_the_next_match() {
        for text in ["*/7 3-22/5 */3 * *", "59 23 L * *", "0,30 0 1 3 MON", "5 5 LW,1W * 5#5,7L"] {
            let fields = parse(text).expect("an expression");
            let (start, end) = (minute(2028, 2, 20, 0, 0), minute(2028, 4, 2, 0, 0));
            let matches = |at: i64| {
                let (month, date) = Month::of_day(at.div_euclid(MINUTES_OF_A_DAY));
                let (hour, minute) = (at / 60 % 24, at % 60);
                fields.months & 1 << month.month != 0
                    && fields.days.of(month) & 1 << date != 0
                    && fields.hours & 1 << hour != 0
                    && fields.minutes & 1 << minute != 0
            };
            let mut next = fields.next_minute(end);
            for at in (start..end).rev() {
                if matches(at) {
                    next = Some(at);
                }
                assert_eq!(fields.next_minute(at), next, "{text}");
            }
        }
    }
}
