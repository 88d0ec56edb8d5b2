//! A time zone: its offset from UTC, with the moments at which that changes.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};

use crate::local::LocalTime;
use crate::time::UnixSeconds;

/// The moments that the calendar of a zone covers: the years -9999 to 9999, less some days.
pub const COVERED: RangeInclusive<i64> = -377_000_000_000..=253_000_000_000;

/// A time zone of the system's database, which Debian's package `tzdata` installs.
///
/// It is read when the value is made, so the process may lose access to the files later, for example
/// by chroot(2).
///
/// # Examples
///
/// ```
/// use daemon_schedule::{UnixSeconds, Zone};
///
/// let zone = Zone::named("Europe/Berlin")?;
/// assert_eq!(zone.name(), Some("Europe/Berlin"));
/// assert_eq!(zone.local(UnixSeconds(1_774_746_000)).to_string(), "2026-03-29 03:00:00 CEST (UTC+02:00)");
///
/// let error = Zone::named("Europe/Berlim").unwrap_err();
/// assert!(error.to_string().starts_with("unknown time zone `Europe/Berlim`"));
/// # Ok::<_, daemon_schedule::ZoneError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// A part of a zone's time in which its offset is the same.
#[derive(Clone, Copy, Debug)]
pub struct Era {
    /// How far the clocks are ahead of UTC, in seconds.
    pub offset: i64,
    /// The first second of the next era.
    pub end: Option<i64>,
}

impl Zone {
    /// Coordinated Universal Time, which needs no database.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Returns the zone with a name of the IANA's database, such as `Europe/Berlin`. `UTC` needs no database.
    ///
    /// # Errors
    ///
    /// Returns an error if the database has no such zone, or if there is no database.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::UTC);
        }
        // The library has a zone `Etc/Unknown` that the database lacks.
        TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).map(Self).ok_or_else(|| {
            let hint = if tz::db().is_definitively_empty() {
                "the system has no time zones; install the package `tzdata`"
            } else {
                "use a name such as `Europe/Berlin` from /usr/share/zoneinfo; if it should be there, \
                 the package `tzdata` may be missing or old"
            };
            ZoneError(format!("unknown time zone `{}`: {hint}", name.escape_debug()))
        })
    }

    /// Returns the system's zone: that of the variable `TZ`, or else of `/etc/localtime`.
    ///
    /// # Errors
    ///
    /// Returns an error if neither leads to a zone.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemon_schedule::Zone;
    ///
    /// let zone = Zone::system()?;
    /// println!("{}", zone.name().unwrap_or("a zone without a name"));
    /// # Ok::<_, daemon_schedule::ZoneError>(())
    /// ```
    pub fn system() -> Result<Self, ZoneError> {
        TimeZone::try_system().map(Self).map_err(|error| {
            ZoneError(format!(
                "cannot find the system's time zone: {error}; set `TZ`, link /etc/localtime to a file in \
                 /usr/share/zoneinfo, or install the package `tzdata`"
            ))
        })
    }

    /// Returns the zone's name. The system's zone has none if `TZ` is a rule, or if `/etc/localtime`
    /// is a file of its own.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// Returns what the zone's clocks show at a moment. Moments beyond the year 9999 count as its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::{UnixSeconds, Zone};
    ///
    /// let local = Zone::named("America/St_Johns")?.local(UnixSeconds(1_767_225_600));
    /// assert_eq!((local.utc_offset, local.abbreviation.as_str()), (-12_600, "NST"));
    /// # Ok::<_, daemon_schedule::ZoneError>(())
    /// ```
    #[must_use]
    pub fn local(&self, at: UnixSeconds) -> LocalTime {
        let at = at.0.clamp(*COVERED.start(), *COVERED.end());
        let info = self.0.to_offset_info(timestamp(at));
        LocalTime::new(at, info.offset().seconds(), info.abbreviation().to_owned())
    }

    /// Returns the era of a moment, which must be covered.
    pub(crate) fn era(&self, at: i64) -> Era {
        let offset = self.0.to_offset(timestamp(at)).seconds().into();
        let mut following = self.0.following(timestamp(at));
        let end = following.next().map(|transition| transition.timestamp().as_second());
        Era { offset, end }
    }

    /// Returns the first second of the era of a moment.
    pub(crate) fn era_start(&self, at: i64) -> Option<i64> {
        let mut preceding = self.0.preceding(timestamp(at + 1));
        preceding.next().map(|transition| transition.timestamp().as_second())
    }
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_second(at).expect("a moment that is covered")
}

/// A time zone that cannot be found.
///
/// # Examples
///
/// ```
/// use daemon_schedule::Zone;
///
/// let error = Zone::named("Moon/Tycho").unwrap_err();
/// assert!(error.to_string().contains("tzdata"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ZoneError(String);

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Reads like the `Display`, since `unwrap` prints it.
impl fmt::Debug for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ZoneError {}
