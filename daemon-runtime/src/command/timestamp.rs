//! A time as text in the form of RFC 3339.

use std::time::{Duration, SystemTime};

/// A time in UTC with milliseconds: `2026-11-27T04:35:16.123Z` ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339)).
///
/// UTC needs no database of time zones, which a chroot may lack, and no allocation, which a signal handler may not
/// make.
pub(crate) struct Timestamp([u8; LENGTH]);

const LENGTH: usize = "2026-11-27T04:35:16.123Z".len();

/// The last second that has a year of four digits.
const LAST: u64 = 253_402_300_799;

const DAY: u64 = 86_400;

impl Timestamp {
    /// Makes the text of a time. A time outside the years 1970 to 9999 becomes the nearest one inside.
    /// Async-signal-safe.
    pub(crate) fn of(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since_epoch = since_epoch.min(Duration::new(LAST, 999_999_999));
        let (days, second) = (since_epoch.as_secs() / DAY, since_epoch.as_secs() % DAY);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, number) in [
            (4, year),
            (7, month),
            (10, day),
            (13, second / 3_600),
            (16, second / 60 % 60),
            (19, second % 60),
            (23, since_epoch.subsec_millis().into()),
        ] {
            put(&mut text[..end], number);
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes a number over the digits at the end of a text.
fn put(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev().take_while(|byte| byte.is_ascii_digit()) {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// Returns the year, the month and the day of the month, given the days since 1970 began.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let february = days_of_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn days_of_year(year: u64) -> u64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    365 + u64::from(is_leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64, millis: u32) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000);
        Timestamp::of(time).as_str().to_owned()
    }

    /// The expected texts are those of `date -u -d @SECONDS +%FT%TZ`.
    #[test]
    fn a_time_is_shown_in_utc() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399, 999), "2000-02-28T23:59:59.999Z");
        assert_eq!(text(951_782_400, 1), "2000-02-29T00:00:00.001Z");
        assert_eq!(text(1_764_205_200, 20), "2025-11-27T01:00:00.020Z");
        assert_eq!(text(1_798_761_599, 0), "2026-12-31T23:59:59.000Z");
        assert_eq!(text(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
        assert_eq!(text(LAST, 0), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn a_time_without_four_digits_for_its_year_is_the_nearest_that_has_them() {
        assert_eq!(text(LAST + 5, 0), "9999-12-31T23:59:59.999Z");
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Timestamp::of(before).as_str(), "1970-01-01T00:00:00.000Z");
    }
}
