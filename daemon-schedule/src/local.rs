//! A moment as the clocks of a zone show it.

use std::fmt;

use crate::calendar::{Month, weekday};

/// A moment as the clocks of a zone show it.
///
/// [`Display`](fmt::Display) prints it for people.
///
/// # Examples
///
/// ```
/// use daemon_schedule::{UnixSeconds, Zone};
///
/// let local = Zone::named("Asia/Kolkata")?.local(UnixSeconds(1_700_000_000));
/// assert_eq!(local.to_string(), "2023-11-15 03:43:20 IST (UTC+05:30)");
/// assert_eq!((local.hour, local.weekday), (3, 3));
/// # Ok::<_, daemon_schedule::ZoneError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LocalTime {
    /// The year.
    pub year: i64,
    /// The month, from 1 to 12.
    pub month: u8,
    /// The day of the month, from 1 to 31.
    pub day: u8,
    /// The weekday, from 0 (Sunday) to 6.
    pub weekday: u8,
    /// The hour, from 0 to 23.
    pub hour: u8,
    /// The minute, from 0 to 59.
    pub minute: u8,
    /// The second, from 0 to 59.
    pub second: u8,
    /// How far the clocks are ahead of UTC, in seconds.
    pub utc_offset: i32,
    /// The zone's abbreviation at this moment, such as `CEST`.
    pub abbreviation: String,
}

impl LocalTime {
    pub(crate) fn new(at: i64, utc_offset: i32, abbreviation: String) -> Self {
        let shown = at.saturating_add(i64::from(utc_offset));
        let (day, second) = (shown.div_euclid(86_400), shown.rem_euclid(86_400));
        let (Month { year, month }, date) = Month::of_day(day);
        let small = |number: i64| u8::try_from(number).expect("below 60");
        Self {
            year,
            month,
            day: date,
            weekday: weekday(day),
            hour: small(second / 3600),
            minute: small(second / 60 % 60),
            second: small(second % 60),
            utc_offset,
            abbreviation,
        }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, utc_offset, abbreviation, .. } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {abbreviation} ")?;
        let (sign, offset) = (if *utc_offset < 0 { '-' } else { '+' }, utc_offset.unsigned_abs());
        write!(f, "(UTC{sign}{:02}:{:02}", offset / 3600, offset / 60 % 60)?;
        // Some zones had seconds before 1972.
        match offset % 60 {
            0 => write!(f, ")"),
            seconds => write!(f, ":{seconds:02})"),
        }
    }
}
