//! What is wrong with an expression.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// A field of a cron expression.
///
/// # Examples
///
/// ```
/// use daemon_schedule::{Cron, Field};
///
/// let error = "30 3 * * MONDAY".parse::<Cron>().unwrap_err();
/// assert_eq!(error.field(), Some(Field::DayOfWeek));
/// assert_eq!(Field::DayOfWeek.to_string(), "day of week");
/// assert_eq!(Field::Minute.allowed(), "0 to 59");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The first field.
    Minute,
    /// The second field.
    Hour,
    /// The third field.
    DayOfMonth,
    /// The fourth field.
    Month,
    /// The fifth field.
    DayOfWeek,
}

impl Field {
    /// The fields in their order.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek];

    /// Returns what the field may be, apart from `*`, lists, ranges and steps, which every field may
    /// be.
    #[must_use]
    pub fn allowed(self) -> &'static str {
        match self {
            Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::DayOfMonth => {
                "1 to 31, L for the last day, 15W for the workday nearest to the 15th, or LW for the last workday"
            }
            Self::Month => "1 to 12, or JAN to DEC",
            Self::DayOfWeek => {
                "0 to 7 (0 and 7 are Sunday), SUN to SAT, FRI#2 for the second Friday, or FRIL for the last one"
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

/// The kind of a mistake in an expression.
///
/// # Examples
///
/// ```
/// use daemon_schedule::{Cron, Reason};
///
/// let reason = |text: &str| text.parse::<Cron>().unwrap_err().reason();
/// assert_eq!(reason("0 0 30 2 *"), Reason::Never);
/// assert_eq!(reason("@reboot"), Reason::Reboot);
/// assert_eq!(reason("0 22-2 * * *"), Reason::Backwards);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There are not five fields.
    FieldCount,
    /// A word after `@` that means nothing.
    UnknownWord,
    /// `@reboot`, which names no time.
    Reboot,
    /// Text that the field may not have.
    Unknown,
    /// A number that is too small or too large for the field.
    OutOfRange,
    /// A list, a range or a step that lacks a part.
    Incomplete,
    /// A range whose end is before its start.
    Backwards,
    /// A step behind a single value.
    StepWithoutRange,
    /// A step of 0, or one that leaves only the first value.
    Step,
    /// The fifth field is `L`, which lacks the day.
    LastOfNoDay,
    /// No year has such a day.
    Never,
}

/// What is wrong with a cron expression, where, and how to repair it.
///
/// # Examples
///
/// ```
/// use daemon_schedule::{Cron, Field, Reason};
///
/// let text = "0 9 * * MON-FRY";
/// let error = text.parse::<Cron>().unwrap_err();
/// assert_eq!(error.reason(), Reason::Unknown);
/// assert_eq!(error.field(), Some(Field::DayOfWeek));
/// assert_eq!(&text[error.span()], "FRY");
/// assert!(error.to_string().starts_with("the day of week `FRY` is unknown: use 0 to 7"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) reason: Reason,
    pub(crate) field: Option<Field>,
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

impl ParseError {
    /// Returns the kind of the mistake.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the field with the mistake, or `None` if the expression as a whole is wrong.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        self.field
    }

    /// Returns which bytes of the text are wrong. Both ends are at the boundary of a character.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.message)
    }
}

/// Reads like the `Display`, since `unwrap` prints it.
impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ParseError {}
