//! Repeated runs: drift, lateness, what a run costs, and how fast a stop ends the pause.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use crate::stats::percentile;

/// The loops that are compared, by the names that the program `beat` has for them.
pub const FORMS: &[(&str, &str)] = &[
    ("by hand, TIMER_ABSTIME", "absolute"),
    ("by hand, `sigtimedwait`", "sigtimedwait"),
    ("daemonic, repeating", "ours"),
    ("daemonic, repeating, supervised", "supervised"),
];

/// How punctual one loop was. All in microseconds.
pub struct Beats {
    /// The last run's lateness less the first's.
    pub drift: f64,
    pub half: f64,
    pub p99: f64,
    pub worst: f64,
}

/// Lets a loop run, each run with some work, and looks at the moments.
pub fn measure(
    programs: &Path,
    scratch: &Path,
    form: &str,
    period: Duration,
    runs: u64,
    work: Duration,
) -> Beats {
    let status = command(programs, scratch, form, period, runs, work).stdout(Stdio::null()).status();
    assert!(status.expect("the program").success(), "{form} failed");
    let text = fs::read_to_string(scratch.join("beats")).expect("the moments");
    let moments: Vec<f64> = text.lines().map(|line| line.parse().expect("a moment")).collect();
    assert_eq!(moments.len() as u64, runs, "{form}");
    let nanos = period.as_secs_f64() * 1e9;
    let late: Vec<f64> = (0u32..)
        .zip(&moments)
        .map(|(at, moment)| (moment - moments[0] - f64::from(at) * nanos) / 1e3)
        .collect();
    // The first run begins late by nothing, so the least lateness is the measure.
    let least = late.iter().copied().fold(f64::INFINITY, f64::min);
    let late: Vec<f64> = late.iter().map(|late| late - least).collect();
    let tail = |part: &[f64]| percentile(part, 50.0).unwrap_or_default();
    let tenth = late.len().div_ceil(10);
    Beats {
        drift: tail(&late[late.len() - tenth..]) - tail(&late[..tenth]),
        half: percentile(&late, 50.0).unwrap_or_default(),
        p99: percentile(&late, 99.0).unwrap_or_default(),
        worst: percentile(&late, 100.0).unwrap_or_default(),
    }
}

/// Returns the processor time of a run without work, in microseconds.
pub fn cost(programs: &Path, scratch: &Path, form: &str, runs: u64) -> f64 {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage");
        (usage.user_time() + usage.system_time()).num_microseconds()
    };
    let period = Duration::from_micros(500);
    let mut times = [0, 0];
    for (time, runs) in times.iter_mut().zip([1, runs]) {
        let before = used();
        let status =
            command(programs, scratch, form, period, runs, Duration::ZERO).stdout(Stdio::null()).status();
        assert!(status.expect("the program").success(), "{form} failed");
        *time = used() - before;
    }
    #[allow(clippy::cast_precision_loss, reason = "microseconds of a second or two")]
    let cost = (times[1] - times[0]) as f64 / (runs - 1) as f64;
    cost
}

/// Returns the seconds from SIGTERM to the end, in a pause of a second.
pub fn stop(programs: &Path, scratch: &Path, form: &str) -> f64 {
    let period = Duration::from_secs(1);
    let mut child = command(programs, scratch, form, period, 0, Duration::ZERO)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut line = [0; 3];
    child.stdout.take().expect("a pipe").read_exact(&mut line).expect("a line");
    std::thread::sleep(Duration::from_millis(50));
    let begin = Instant::now();
    kill(Pid::from_raw(child.id().try_into().expect("a PID")), Signal::SIGTERM).expect("a process");
    child.wait().expect("an end");
    begin.elapsed().as_secs_f64()
}

fn command(
    programs: &Path,
    scratch: &Path,
    form: &str,
    period: Duration,
    runs: u64,
    work: Duration,
) -> Command {
    let mut command = Command::new(programs.join("beat"));
    command
        .arg(form)
        .args([period.as_micros(), runs.into(), work.as_micros()].map(|number| number.to_string()));
    command.arg(scratch).stdin(Stdio::null());
    command
}
