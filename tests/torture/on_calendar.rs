//! Cron expressions as calendar events of systemd, which finds the same times for them.

use std::process::Command;

use common::tool_or_skip;
use common::torture::each;
use daemon_schedule::{Cron, Schedule, UnixSeconds, Zone};

/// 2026-01-15 00:00 UTC.
const BASE: UnixSeconds = UnixSeconds(1_768_435_200);
const COUNT: usize = 5;

const EXPRESSIONS: [&str; 49] = [
    "* * * * *",
    "*/7 * * * *",
    "59 * * * *",
    "0 0 * * *",
    "30 3 * * *",
    "1,3,5,30-40/3 4-6 * * *",
    "0 */5 * * *",
    "5-59/10 8-18/2 * * *",
    "0 12 1 * *",
    "0 12 31 * *",
    "0 12 29 2 *",
    "0 12 30,31 1-6 *",
    "0 12 */10 * *",
    "0 0 28-31 2 *",
    "0 0 1 1 *",
    "0 0 1 JAN,JUL *",
    "0 0 13 */3 *",
    "15 6 * * MON",
    "15 6 * * SUN",
    "15 6 * * 7",
    "15 6 * * 0,6",
    "15 6 * * MON-FRI",
    "15 6 * * FRI-7",
    "15 6 * * 1,3,5",
    "15 6 * * */2",
    "15 6 * FEB MON-FRI",
    "0 0 13 * FRI",
    "0 0 1,15 * MON",
    "0 0 1-7 * SUN",
    "0 0 */2 * MON",
    "0 0 13 * */5",
    "0 0 L * *",
    "0 0 L 2 *",
    "0 0 1,L * *",
    "0 0 L * FRI",
    "0 0 L * */2",
    "0 0 * * FRI#1",
    "0 0 * * FRI#2",
    "0 0 * * MON#5",
    "0 0 * * TUE#1,TUE#3",
    "0 0 * * FRIL",
    "0 0 * 2 FRIL",
    "0 0 * * SUN,FRIL",
    "0 0 13 * FRIL",
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
];

/// Asks systemd for the first times of some events together.
fn by_systemd(events: &[String]) -> Vec<String> {
    let mut command = Command::new("systemd-analyze");
    command.args(["calendar", &format!("--iterations={COUNT}"), "--base-time=2026-01-15 00:00:00 UTC"]);
    let output = command.args(events).env("TZ", "UTC").env("LC_ALL", "C").output().expect("it runs");
    assert!(output.status.success(), "{events:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    // `Next elapse: Sat 2026-02-28 03:30:00 UTC`, and then `Iter. #2: ..`
    let time = |line: &str| {
        let (_, time) = line.split_once("Next elapse: ").or_else(|| line.split_once(": ")).filter(|_| {
            ["Next elapse: ", "Iter. #", "Iteration #"].iter().any(|it| line.trim_start().starts_with(it))
        })?;
        let words: Vec<_> = time.split(' ').collect();
        (words.len() == 4).then(|| format!("{} {}", words[1], words[2]))
    };
    let mut times: Vec<_> = text.lines().filter_map(time).collect();
    times.sort();
    times.dedup();
    times.truncate(COUNT);
    assert!(!times.is_empty(), "{events:?}: {text}");
    times
}

fn by_schedule(cron: Cron) -> Vec<String> {
    let schedule = Schedule::new(cron, Zone::UTC);
    let text = |due| schedule.zone().local(due).to_string();
    let times = schedule.upcoming(BASE).take(COUNT).map(text);
    times.map(|text| text.strip_suffix(" UTC (UTC+00:00)").expect("a time in UTC").to_owned()).collect()
}

#[test]
fn systemd_finds_the_times_of_a_cron_expression() {
    if !tool_or_skip(&["systemd-analyze", "--version"]) {
        return;
    }
    let results = each(&EXPRESSIONS, 4, |expression| {
        let cron: Cron = expression.parse().expect("an expression");
        let events = cron.on_calendar().unwrap_or_else(|| panic!("{expression}: no events"));
        let (expected, times) = (by_schedule(cron), by_systemd(&events));
        assert_eq!(times, expected, "{expression} as {events:?}");
    });
    let wrong: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_systemd_cannot_say_is_no_event() {
    for expression in ["0 0 15W * *", "0 0 LW * *", "0 0 */2 * FRIL"] {
        let cron: Cron = expression.parse().expect("an expression");
        assert_eq!(cron.on_calendar(), None, "{expression}");
    }
}
