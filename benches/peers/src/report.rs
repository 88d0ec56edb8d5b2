//! The report: a section with a table for each measurement, with a plot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::contender::{Contender, IN_NUMBERS};
use crate::idle::Idle;
use crate::life::Lives;
use crate::plot::Panel;
use crate::scale::Scale;
use crate::shuffle::Shuffle;
use crate::stats::{self, Summary};
use crate::table::table;
use crate::{beats, cron, growth, idle, life, plot, storm};

/// What a measurement has found.
pub struct Report {
    /// Markdown.
    pub text: String,
    /// SVG.
    pub plot: String,
    /// The table of the README.
    pub summary: String,
}

impl Report {
    /// Measures everything, and prints each section when it is done.
    pub fn measure(contenders: &[Contender], programs: &Path, scratch: &Path, scale: &Scale) -> Self {
        let mut text = String::new();
        let mut write = |section: String| {
            println!("{section}");
            text.push_str(&section);
            text.push('\n');
        };
        write(format!("# Beside the peers\n\n{} rounds. {}\n", scale.rounds, machine()));
        let lives = life::measure(contenders, scale.rounds, &mut Shuffle::new());
        let names: Vec<&str> = contenders.iter().map(|contender| contender.name.as_str()).collect();
        write(section("Start, status, restart, stop", LIFE, &life_table(&names, &lives, scale.rounds)));
        write(section("Ensure, reload", OTHERS, &others_table(&names, &lives)));
        let idle = idle_of_each(contenders, scale);
        write(section("An idle daemon", IDLE, &idle_table(&names, &idle)));
        write(section("Repeated runs", BEATS, &beats_table(programs, scratch, scale)));
        write(section("Periods", PERIODS, &periods_table(programs, scratch, scale)));
        write(section("Cron expressions", CRON, &cron_table(scale)));
        write(section("Many daemons", GROWTH, &growth_table(contenders, scale)));
        write(section("Storms", STORMS, &storm_table(contenders, scale.storms)));
        let panels = [
            Panel {
                title: "start, until the daemon is ready",
                ratios: ratios(&lives, |lives| &lives.ready),
                is_marked: lives.iter().map(|lives| lives.not_ready > 0).collect(),
            },
            Panel {
                title: "stop, until it exits",
                ratios: ratios(&lives, |lives| &lives.stop),
                is_marked: lives.iter().map(|lives| lives.alive > 0).collect(),
            },
        ];
        let summary = summary_table(&names, &lives, &idle, scale.rounds);
        Self { text, plot: plot::plot(&names, &panels), summary }
    }
}

const LIFE: &str = "Medians of the per-round ratios to the program written by hand, with their quartiles. \"Ready\" is the time\n\
                    until the pidfile is complete and names a living process. \"Not ready\" counts the rounds in which that was not\n\
                    so when `start` exited, \"alive\" those in which the daemon still lived when `stop` exited. \"Work\" is\n\
                    processor time, which varies least: that of the launcher with the daemon so far, and of the client of a stop.\n\
                    \"With our image\" is the program by hand, linked with this crate, which it does not call.";
const OTHERS: &str = "The actions that only this crate has, for a daemon that is running, as ratios to the `status` of the program\n\
                      written by hand.";
const IDLE: &str = "Private dirty memory is a ratio to the program written by hand. A supervised daemon has two processes, and so\n\
                    has one of libslack's: each figure is that of both, and what they share counts once. The wake-ups are the\n\
                    context switches of two seconds.";
const BEATS: &str = "500 periods of 10 ms, each with 2 ms of work, in microseconds: medians of the rounds. The cost of a run is\n\
                     processor time. The last two columns are per-round ratios: of the p99 to that of TIMER_ABSTIME, and of the time from\n\
                     SIGTERM to the exit, in a pause of a second, to `sigtimedwait`.";
const PERIODS: &str =
    "The lateness of this crate's runs without work, and p99 of the others, in microseconds.";
const CRON: &str = "The package `daemon-schedule`: microseconds for each expression, to read it, and to find its next due time in\n\
                    `Europe/Berlin`.";
const GROWTH: &str = "Daemons that are started and stopped one after the other. Then they are started again, and one command stops all\n\
                      of them, as only this crate has it: `--all stop`. \"Alive\" is of both.";
const STORMS: &str = "Bad rounds. A hundred starts at once must make one daemon with one success; of fifty starts and fifty stops\n\
                      at once, at most one daemon may be left, and the pidfile must name it.";

fn section(title: &str, words: &str, table: &str) -> String {
    format!("## {title}\n\n{words}\n\n{table}")
}

/// Says on what the figures were measured.
fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("Linux {}, {processors} processors.", kernel.trim())
}

/// Summarizes the ratios of each program's figures to those of the first program, round by round.
fn ratios(lives: &[Lives], figures: fn(&Lives) -> &Vec<f64>) -> Vec<Option<Summary>> {
    lives.iter().map(|lives_of_one| Summary::of_ratios(figures(lives_of_one), figures(&lives[0]))).collect()
}

fn strings<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn cell(summary: Option<Summary>) -> String {
    summary.map_or("–".into(), |summary| summary.to_string())
}

fn life_table(names: &[&str], lives: &[Lives], rounds: usize) -> String {
    let mut rows = vec![strings([
        "",
        "start to exit",
        "to ready",
        "status",
        "restart",
        "stop to exit",
        "work of start",
        "work of stop",
        "not ready",
        "alive",
    ])];
    let columns: [fn(&Lives) -> &Vec<f64>; 7] = [
        |lives| &lives.start,
        |lives| &lives.ready,
        |lives| &lives.status,
        |lives| &lives.restart,
        |lives| &lives.stop,
        |lives| &lives.start_work,
        |lives| &lives.stop_work,
    ];
    let columns = columns.map(|figures| ratios(lives, figures));
    for (at, (name, lives)) in names.iter().zip(lives).enumerate() {
        let mut row = vec![(*name).to_owned()];
        row.extend(columns.iter().map(|column| cell(column[at])));
        row.extend([lives.not_ready, lives.alive].map(|count| format!("{count} of {rounds}")));
        rows.push(row);
    }
    table(&rows)
}

fn others_table(names: &[&str], lives: &[Lives]) -> String {
    let mut rows = vec![strings(["", "ensure", "reload"])];
    for (name, one) in names.iter().zip(lives).filter(|(_, one)| !one.ensure.is_empty()) {
        let columns = [&one.ensure, &one.reload].map(|times| Summary::of_ratios(times, &lives[0].status));
        let mut row = vec![(*name).to_owned()];
        row.extend(columns.map(cell));
        rows.push(row);
    }
    table(&rows)
}

/// Watches each program some times, and returns the look with the median of the memory.
fn idle_of_each(contenders: &[Contender], scale: &Scale) -> Vec<Idle> {
    let (looks, watch) =
        if scale.is_quick { (1, Duration::from_millis(50)) } else { (5, Duration::from_secs(2)) };
    let mut all: Vec<Vec<Idle>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..looks {
        for (idle, seen) in idle::measure(contenders, watch).into_iter().zip(&mut all) {
            seen.push(idle);
        }
    }
    let median = |mut seen: Vec<Idle>| {
        seen.sort_by_key(|idle| idle.private_dirty);
        seen.swap_remove(looks / 2)
    };
    all.into_iter().map(median).collect()
}

fn idle_table(names: &[&str], idle: &[Idle]) -> String {
    let mut rows = vec![strings(["", "private dirty", "processes", "descriptors", "threads", "wake-ups"])];
    for (name, one) in names.iter().zip(idle) {
        rows.push(vec![
            (*name).to_owned(),
            format!("{:.2} ({} kB)", one.memory_over(&idle[0]), one.private_dirty),
            one.processes.to_string(),
            one.descriptors.to_string(),
            one.threads.to_string(),
            one.switches.to_string(),
        ]);
    }
    table(&rows)
}

/// Makes the short table of the README.
fn summary_table(names: &[&str], lives: &[Lives], idle: &[Idle], rounds: usize) -> String {
    let mut rows = vec![vec![
        String::new(),
        "start, until ready".into(),
        format!("not ready when `start` exits, of {rounds}"),
        "stop".into(),
        format!("alive when `stop` exits, of {rounds}"),
        "private memory".into(),
    ]];
    let [ready, stop] = [ratios(lives, |lives| &lives.ready), ratios(lives, |lives| &lives.stop)];
    let figure =
        |summary: Option<Summary>| summary.map_or("–".into(), |summary| stats::figure(summary.median));
    for (at, name) in names.iter().enumerate() {
        rows.push(vec![
            (*name).to_owned(),
            figure(ready[at]),
            lives[at].not_ready.to_string(),
            figure(stop[at]),
            lives[at].alive.to_string(),
            format!("{:.2}", idle[at].memory_over(&idle[0])),
        ]);
    }
    table(&rows)
}

/// What the rounds have found of one loop.
#[derive(Default)]
struct Loop {
    drift: Vec<f64>,
    half: Vec<f64>,
    p99: Vec<f64>,
    worst: Vec<f64>,
    cost: Vec<f64>,
    stop: Vec<f64>,
}

fn beats_table(programs: &Path, scratch: &Path, scale: &Scale) -> String {
    const PERIOD: Duration = Duration::from_millis(10);
    const WORK: Duration = Duration::from_millis(2);
    let runs = if scale.is_quick { 20 } else { 500 };
    let mut all: Vec<Loop> = beats::FORMS.iter().map(|_| Loop::default()).collect();
    for _ in 0..scale.beats {
        for ((_, form), one) in beats::FORMS.iter().zip(&mut all) {
            let beats = beats::measure(programs, scratch, form, PERIOD, runs, WORK);
            one.drift.push(beats.drift);
            one.half.push(beats.half);
            one.p99.push(beats.p99);
            one.worst.push(beats.worst);
            one.cost.push(beats::cost(programs, scratch, form, 4 * runs));
        }
        for _ in 0..5 {
            for ((_, form), one) in beats::FORMS.iter().zip(&mut all) {
                one.stop.push(beats::stop(programs, scratch, form));
            }
        }
    }
    let mut rows = vec![strings([
        "",
        "drift",
        "p50",
        "p99",
        "max",
        "cost of a run",
        "p99, of TIMER_ABSTIME",
        "SIGTERM to exit",
    ])];
    for ((name, form), one) in beats::FORMS.iter().zip(&all) {
        let mut row = vec![(*name).to_owned()];
        row.extend([&one.drift, &one.half, &one.p99, &one.worst, &one.cost].map(|values| micros(values)));
        row.push(cell(Summary::of_ratios(&one.p99, &all[0].p99)));
        // The plain loop has no handler, so its end is the kernel's work alone.
        let stop = Summary::of_ratios(&one.stop, &all[1].stop).filter(|_| *form != "absolute");
        row.push(cell(stop));
        rows.push(row);
    }
    table(&rows)
}

fn micros(values: &[f64]) -> String {
    format!("{:.1}", stats::percentile(values, 50.0).unwrap_or_default())
}

fn periods_table(programs: &Path, scratch: &Path, scale: &Scale) -> String {
    let mut rows =
        vec![strings(["period", "runs", "p50", "p99", "max", "p99, supervised", "p99 of TIMER_ABSTIME"])];
    for (period, runs) in &scale.periods {
        let [ours, supervised, limit] = ["ours", "supervised", "absolute"]
            .map(|form| beats::measure(programs, scratch, form, *period, *runs, Duration::ZERO));
        let mut row = vec![format!("{period:?}"), runs.to_string()];
        row.extend(
            [ours.half, ours.p99, ours.worst, supervised.p99, limit.p99].map(|value| format!("{value:.1}")),
        );
        rows.push(row);
    }
    table(&rows)
}

fn cron_table(scale: &Scale) -> String {
    let mut rows = vec![strings(["expressions", "reading", "next due time"])];
    for count in scale.expressions {
        let expressions = cron::measure(*count);
        let mut row = vec![count.to_string()];
        row.extend([expressions.reading, expressions.next].map(|each| format!("{each:.2}")));
        rows.push(row);
    }
    table(&rows)
}

fn in_numbers(contenders: &[Contender]) -> impl Iterator<Item = &Contender> {
    contenders.iter().filter(|contender| IN_NUMBERS.contains(&contender.name.as_str()))
}

fn growth_table(contenders: &[Contender], scale: &Scale) -> String {
    let mut rows = vec![strings([
        "",
        "daemons",
        "starts per second",
        "stops per second",
        "by `--all stop`",
        "private dirty of each",
        "not ready",
        "alive",
    ])];
    for count in scale.daemons {
        for contender in in_numbers(contenders) {
            let growth = growth::measure(contender, *count);
            rows.push(vec![
                contender.name.clone(),
                growth.count.to_string(),
                format!("{:.0}", growth.starts_per_second),
                format!("{:.0}", growth.stops_per_second),
                growth.stops_by_one.map_or("–".into(), |stops| format!("{stops:.0}")),
                format!("{:.0} kB", growth.private_dirty),
                format!("{} of {count}", growth.not_ready),
                format!("{} of {}", growth.alive, growth.stops),
            ]);
        }
    }
    table(&rows)
}

fn storm_table(contenders: &[Contender], rounds: usize) -> String {
    let mut rows = vec![strings(["", "100 starts", "50 starts and 50 stops"])];
    // Not the peers: their stops signal the number in a file, which may have become a bystander's.
    for contender in in_numbers(contenders) {
        let bad = [storm::of_starts(contender, rounds), storm::of_both(contender, rounds)];
        let mut row = vec![contender.name.clone()];
        row.extend(bad.map(|bad| format!("{bad} of {rounds}")));
        rows.push(row);
    }
    table(&rows)
}
