//! Measures this crate beside its peers: `cargo run --release --package daemonic-peers [ROUNDS]`.
//!
//! It prints tables, and writes them to `benches/peers/RESULTS.md` with a plot beside it.

mod beats;
mod building;
mod contender;
mod growth;
mod idle;
mod life;
mod plot;
mod process;
mod reaper;
mod shuffle;
mod stats;
mod storm;
mod table;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use contender::{BY_HAND, Contender, OURS};
use life::Lives;
use reaper::with_reaper;
use shuffle::Shuffle;
use stats::Summary;
use table::table;

fn main() -> ExitCode {
    with_reaper(measure)
}

fn measure() {
    let rounds = std::env::args().nth(1).map_or(200, |rounds| rounds.parse().expect("the number of rounds"));
    let programs = building::build();
    let statics = building::build_static();
    let scratch = Path::new("/dev/shm").join(format!("daemonic-peers-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a directory in memory");
    let contenders = Contender::all(&programs, statics.as_deref(), &scratch);
    let mut shuffle = Shuffle::new();

    let lives = life::measure(&contenders, rounds, &mut shuffle);
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    let mut text = String::new();
    let mut write = |section: String| {
        println!("{section}");
        text.push_str(&section);
        text.push('\n');
    };
    write(format!("# Beside the peers\n\n{} rounds. {}\n", rounds, machine()));
    write(section("Start, status, restart, stop", LIFE, &life_table(&names, &lives, rounds)));
    write(section("An idle daemon", IDLE, &idle_table(&contenders)));
    write(section("Repeated runs", BEATS, &beats_table(&programs, &scratch, rounds)));
    write(section("Periods", PERIODS, &periods_table(&programs, &scratch)));
    write(section("Many daemons", GROWTH, &growth_table(&contenders)));
    write(section("Storms", STORMS, &storm_table(&contenders)));
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(home.join("RESULTS.md"), &text).expect("the results");
    let panel = |title, figures: fn(&Lives) -> &Vec<f64>| (title, ratios(&lives, figures));
    let panels = [panel("start to exit", |lives| &lives.start), panel("stop to exit", |lives| &lives.stop)];
    fs::write(home.join("results.svg"), plot::plot(&names, &panels)).expect("the plot");
    fs::remove_dir_all(&scratch).expect("the scratch directory");
}

const LIFE: &str = "Medians of the per-round ratios to the program written by hand, with their quartiles. \"Ready\" is the time \
                    until the pidfile is complete and names a living process. \"Not ready\" counts the rounds in which that \
                    was not so when `start` exited, \"alive\" those in which the daemon still lived when `stop` exited.";
const IDLE: &str =
    "Private dirty memory is a ratio to the program written by hand; a supervised daemon has two processes.";
const BEATS: &str = "500 periods of 10 ms, each with 2 ms of work, in microseconds: medians of the rounds. The cost of a run is \
                     processor time. \"SIGTERM to exit\" is the ratio to `sigtimedwait`, in a pause of a second.";
const PERIODS: &str =
    "The lateness of this crate's runs without work, and that of TIMER_ABSTIME, in microseconds.";
const GROWTH: &str = "Daemons that are started and stopped one after the other.";
const STORMS: &str = "Bad rounds of 20. A hundred starts at once must make one daemon with one success; of fifty starts and \
                      fifty stops at once, at most one daemon may be left, and the pidfile must name it.";

fn section(title: &str, words: &str, table: &str) -> String {
    format!("## {title}\n\n{words}\n\n{table}")
}

/// Says on what the figures were measured.
fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("Linux {}, {processors} processors.", kernel.trim())
}

fn ratios(lives: &[Lives], figures: fn(&Lives) -> &Vec<f64>) -> Vec<Option<Summary>> {
    let base = figures(&lives[0]);
    let of =
        |lives: &Lives| figures(lives).iter().zip(base).map(|(one, base)| one / base).collect::<Vec<_>>();
    lives.iter().map(|lives| Summary::of(&of(lives))).collect()
}

fn strings<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn life_table(names: &[&str], lives: &[Lives], rounds: usize) -> String {
    let mut rows = vec![strings([
        "",
        "start to exit",
        "to ready",
        "status",
        "restart",
        "stop to exit",
        "not ready",
        "alive",
    ])];
    let columns: [fn(&Lives) -> &Vec<f64>; 5] = [
        |lives| &lives.start,
        |lives| &lives.ready,
        |lives| &lives.status,
        |lives| &lives.restart,
        |lives| &lives.stop,
    ];
    let columns = columns.map(|figures| ratios(lives, figures));
    for (at, (name, lives)) in names.iter().zip(lives).enumerate() {
        let mut row = vec![(*name).to_owned()];
        row.extend(columns.iter().map(|column| column[at].map_or("–".into(), |summary| summary.to_string())));
        row.extend([lives.not_ready, lives.alive].map(|count| format!("{count} of {rounds}")));
        rows.push(row);
    }
    table(&rows)
}

#[allow(clippy::cast_precision_loss, reason = "kilobytes")]
fn idle_table(contenders: &[Contender]) -> String {
    let mut rows =
        vec![strings(["", "private dirty", "descriptors", "threads", "context switches per second"])];
    let mut base = 0;
    for contender in contenders {
        let rounds: Vec<_> = (0..3).map(|_| idle::measure(contender)).collect();
        let mut memory: Vec<u64> = rounds.iter().map(|idle| idle.private_dirty).collect();
        memory.sort_unstable();
        if contender.name == BY_HAND {
            base = memory[1];
        }
        let last = &rounds[2];
        rows.push(vec![
            contender.name.into(),
            format!("{:.2} ({} kB)", memory[1] as f64 / base as f64, memory[1]),
            last.descriptors.to_string(),
            last.threads.to_string(),
            last.switches.to_string(),
        ]);
    }
    table(&rows)
}

fn beats_table(programs: &Path, scratch: &Path, rounds: usize) -> String {
    const PERIOD: Duration = Duration::from_millis(10);
    const WORK: Duration = Duration::from_millis(2);
    let mut rows = vec![strings(["", "drift", "p50", "p99", "max", "cost of a run", "SIGTERM to exit"])];
    let rounds = (rounds / 20).max(1);
    let mut all: Vec<[Vec<f64>; 5]> = beats::FORMS.iter().map(|_| Default::default()).collect();
    let mut stops: Vec<Vec<f64>> = beats::FORMS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, form), figures) in beats::FORMS.iter().zip(&mut all) {
            let beats = beats::measure(programs, scratch, form, PERIOD, 500, WORK);
            let cost = beats::cost(programs, scratch, form);
            for (figure, value) in
                figures.iter_mut().zip([beats.drift, beats.half, beats.p99, beats.worst, cost])
            {
                figure.push(value);
            }
        }
        for _ in 0..5 {
            for ((_, form), stops) in beats::FORMS.iter().zip(&mut stops) {
                stops.push(beats::stop(programs, scratch, form));
            }
        }
    }
    for (at, ((name, form), figures)) in beats::FORMS.iter().zip(&all).enumerate() {
        let mut row = vec![(*name).to_owned()];
        row.extend(
            figures
                .iter()
                .map(|values| format!("{:.1}", stats::percentile(values, 50.0).unwrap_or_default())),
        );
        let ratios: Vec<f64> = stops[at].iter().zip(&stops[1]).map(|(one, base)| one / base).collect();
        // The plain loop has no handler, so its end is the kernel's work alone.
        let ratio = Summary::of(&ratios).filter(|_| *form != "absolute");
        row.push(ratio.map_or("–".into(), |summary| summary.to_string()));
        rows.push(row);
    }
    table(&rows)
}

fn periods_table(programs: &Path, scratch: &Path) -> String {
    let mut rows = vec![strings(["period", "runs", "p50", "p99", "max", "p99 of TIMER_ABSTIME"])];
    for (period, runs) in [
        (Duration::from_secs(10), 2),
        (Duration::from_secs(1), 10),
        (Duration::from_millis(100), 50),
        (Duration::from_millis(10), 500),
        (Duration::from_millis(1), 5_000),
        (Duration::from_micros(100), 20_000),
    ] {
        let [ours, limit] = ["ours", "absolute"]
            .map(|form| beats::measure(programs, scratch, form, period, runs, Duration::ZERO));
        let mut row = vec![format!("{period:?}"), runs.to_string()];
        row.extend([ours.half, ours.p99, ours.worst, limit.p99].map(|value| format!("{value:.1}")));
        rows.push(row);
    }
    table(&rows)
}

fn growth_table(contenders: &[Contender]) -> String {
    let mut rows =
        vec![strings(["", "daemons", "starts per second", "stops per second", "private dirty of each"])];
    for contender in contenders.iter().filter(|contender| [BY_HAND, OURS].contains(&contender.name)) {
        for count in [1, 10, 100, 1_000] {
            let growth = growth::measure(contender, count);
            rows.push(vec![
                contender.name.into(),
                growth.count.to_string(),
                format!("{:.0}", growth.starts_per_second),
                format!("{:.0}", growth.stops_per_second),
                format!("{:.0} kB", growth.private_dirty),
            ]);
        }
    }
    table(&rows)
}

fn storm_table(contenders: &[Contender]) -> String {
    let mut rows = vec![strings(["", "100 starts", "50 starts and 50 stops"])];
    // Not the peers: their stops signal the number in a file, which may have become a bystander's.
    for contender in contenders.iter().filter(|contender| [BY_HAND, OURS].contains(&contender.name)) {
        let [starts, both] = [storm::of_starts(contender, 20), storm::of_both(contender, 20)];
        rows.push(vec![contender.name.into(), starts.to_string(), both.to_string()]);
    }
    table(&rows)
}
