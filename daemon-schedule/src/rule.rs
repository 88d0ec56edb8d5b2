//! The rule of Debian's cron for a clock that jumps.
//!
//! [cron(8)](https://manpages.debian.org/bookworm/cron/cron.8.en.html) counts minutes of local time.
//! It remembers the minute that it has *reached*: every run before is done. Normally the clock shows
//! the next minute. If it shows another, the difference decides.

use crate::parse::Fields;

/// A jump that is at most as long as this may be one of the zone's. A longer one is a correction.
const LONGEST_JUMP: i64 = 3 * 60;

/// After a jump that is at most as long as this, cron takes each minute as if the clock had shown it.
const LATE: i64 = 5;

/// Returns the minute that is reached after the clock shows a new one, and whether a run is due.
pub fn tick(fields: &Fields, shown: i64, reached: i64) -> (i64, bool) {
    let is_due_by = |from: i64| fields.next_minute(from).is_some_and(|due| due <= shown);
    let difference = shown - reached;
    if -LONGEST_JUMP < difference && difference <= 0 {
        // The clock repeats minutes. What is at a fixed time has had its run.
        (reached, fields.has_star && is_due_by(shown))
    } else if 0 < difference && difference <= LONGEST_JUMP {
        let follows_elapsed_time = fields.has_star && difference > LATE;
        (shown, is_due_by(if follows_elapsed_time { shown } else { reached + 1 }))
    } else {
        (shown, is_due_by(shown))
    }
}
