//! A cron expression.

use std::fmt;
use std::str::FromStr;

use crate::error::ParseError;
use crate::parse::{Fields, parse};

/// A checked cron expression: minute, hour, day of month, month and day of week.
///
/// | field | values | in addition |
/// |---|---|---|
/// | minute | 0 to 59 | |
/// | hour | 0 to 23 | |
/// | day of month | 1 to 31 | `L` is the last day, `15W` the workday nearest to the 15th, `LW` the last workday |
/// | month | 1 to 12 | `JAN` to `DEC` |
/// | day of week | 0 to 7 | `SUN` to `SAT`; 0 and 7 are Sunday; `FRI#2` is the second Friday, `FRIL` the last one |
///
/// Each field is a list with commas of `*`, values, ranges (`1-5`), and steps of these two (`*/2`, `1-5/2`). One word
/// can replace the five fields: `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, or `@hourly`.
///
/// If neither the day of month nor the day of week begins with a `*`, a day has to match only one of
/// them: `0 0 13 * FRI` is due on each 13th and on each Friday. Otherwise it has to match both:
/// `0 0 */2 * FRI` is due on each Friday with an odd date.
///
/// The grammar is that of Debian's [crontab(5)](https://manpages.debian.org/bookworm/cron/crontab.5.en.html), with
/// three differences. `L`, `W` and `#` are additions. A range that runs backwards (`22-2`) and a step that leaves only
/// one value (`*/60`) are mistakes, where cron would silently do what their writer does not expect. An expression that
/// is never due is a mistake too.
///
/// [`Display`](fmt::Display) returns the text with single spaces. Two expressions are equal if they
/// name the same times in the same way, whatever their text.
///
/// # Examples
///
/// ```
/// use daemon_schedule::Cron;
///
/// let workdays: Cron = "30  3 * *\tmon-fri".parse()?;
/// assert_eq!(workdays.to_string(), "30 3 * * mon-fri");
/// assert_eq!(workdays, "30 3 * * 1,2,3,4,5".parse()?);
/// # Ok::<_, daemon_schedule::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Cron {
    text: Box<str>,
    pub(crate) fields: Fields,
}

impl Cron {
    /// Returns whether the runs follow elapsed time, because the minute or the hour begins with a `*`.
    ///
    /// Otherwise each run is at a fixed time of the day, and takes place exactly once when the clock
    /// jumps over that time or repeats it.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemon_schedule::Cron;
    ///
    /// let follows = |text: &str| Ok::<_, daemon_schedule::ParseError>(text.parse::<Cron>()?.follows_elapsed_time());
    /// assert!(follows("*/5 * * * *")?);
    /// assert!(follows("@hourly")?);
    /// assert!(!follows("0-59/5 0-23 * * *")?);
    /// # Ok::<_, daemon_schedule::ParseError>(())
    /// ```
    #[must_use]
    pub fn follows_elapsed_time(&self) -> bool {
        self.fields.has_star
    }
}

impl FromStr for Cron {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fields = parse(text)?;
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        Ok(Self { text: words.join(" ").into(), fields })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Cron {}
