//! Many cron expressions: how long their reading takes, and their next due time.

use std::hint::black_box;
use std::time::Instant;

use daemon_schedule::{Cron, Schedule, UnixSeconds, Zone};

/// What some expressions take, in microseconds for each.
pub struct Expressions {
    pub reading: f64,
    /// The earliest of the next due times of all, as a scheduler that has just started needs it.
    pub next: f64,
}

/// Measures this many expressions: every few minutes, daily, on some weekdays, monthly, and on a leap day.
#[allow(clippy::cast_precision_loss, reason = "a hundred thousand expressions")]
pub fn measure(count: usize) -> Expressions {
    // Noon on 27 November 2026.
    const NOW: UnixSeconds = UnixSeconds(1_795_780_800);
    let zone = Zone::named("Europe/Berlin").unwrap_or(Zone::UTC);
    let texts: Vec<String> = (0..count)
        .map(|at| match (at % 5, at % 60, at % 24) {
            (0, minute, _) => format!("{}-59/7 * * * *", minute % 50),
            (1, minute, hour) => format!("{minute} {hour} * * *"),
            (2, minute, hour) => format!("{minute} {hour} * * MON-FRI"),
            (3, minute, hour) => format!("{minute} {hour} 1,15 * *"),
            (_, minute, hour) => format!("{minute} {hour} 29 2 *"),
        })
        .collect();
    let begin = Instant::now();
    let crons: Vec<Cron> = texts.iter().map(|text| text.parse().expect("an expression")).collect();
    let reading = begin.elapsed();
    let schedules: Vec<Schedule> = crons.into_iter().map(|cron| Schedule::new(cron, zone.clone())).collect();
    let begin = Instant::now();
    black_box(schedules.iter().filter_map(|schedule| schedule.next(black_box(NOW))).min());
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / count as f64;
    Expressions { reading: each(reading), next: each(begin.elapsed()) }
}
