//! The timer unit of a repeating daemon.

use crate::command::error::Result;
use crate::service::time_span::time;
use crate::timing::{Rule, Timing};

use std::time::Duration;

/// Returns when the timer starts a run, in words, and the lines of its section `[Timer]`.
///
/// # Errors
///
/// Fails if systemd has no calendar event for a cron expression.
#[cfg_attr(not(feature = "cron"), allow(clippy::unnecessary_wraps, reason = "it can fail with that feature"))]
pub(crate) fn lines(timing: &Timing, catch_up: bool) -> Result<(String, Vec<String>)> {
    #[cfg(not(feature = "cron"))]
    let _ = catch_up;
    let (what, mut lines) = match &timing.rule {
        Rule::Every(period) => {
            let first = if period.delay.is_zero() { "0".into() } else { time(period.delay) };
            let accuracy = time(period.length.min(Duration::from_secs(1)));
            let every = time(period.length);
            let lines = vec![
                "# The first run.".into(),
                format!("OnActiveSec={first}"),
                format!("OnUnitActiveSec={every}"),
                format!("AccuracySec={accuracy}"),
            ];
            (format!("every {every}"), lines)
        }
        #[cfg(feature = "cron")]
        Rule::Cron(calendar) => on_calendar(calendar, catch_up)?,
    };
    if !timing.jitter.is_zero() {
        lines.push(format!("RandomizedDelaySec={}", time(timing.jitter)));
    }
    Ok((what, lines))
}

#[cfg(feature = "cron")]
fn on_calendar(calendar: &crate::timing::Calendar, catch_up: bool) -> Result<(String, Vec<String>)> {
    use crate::command::error::Error;

    let schedule = calendar.schedule()?;
    let zone = schedule.zone().name().map_or_else(String::new, |name| format!(" {name}"));
    let zone = if calendar.has_timezone() { zone } else { String::new() };
    let Some(events) = schedule.cron().on_calendar() else {
        return Err(Error::failed(format_args!(
            "systemd has no calendar event for the cron expression {:?}; run the daemon without a timer",
            schedule.cron().to_string()
        )));
    };
    let mut lines: Vec<_> = events.iter().map(|event| format!("OnCalendar={event}{zone}")).collect();
    lines.push("AccuracySec=1s".into());
    if catch_up {
        lines.push("Persistent=true".into());
    }
    Ok((format!("at {}", schedule.cron()), lines))
}
