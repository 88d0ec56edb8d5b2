//! Measures this crate beside its peers: `cargo run --release --package daemonic-peers [ROUNDS | quick]`.
//!
//! It prints tables, and writes them to `benches/peers/RESULTS.md` with a plot beside it. The quick form, in some
//! seconds, only proves that all of it works, and writes nothing.

mod beats;
mod building;
mod contender;
mod cron;
mod growth;
mod idle;
mod life;
mod plot;
mod process;
mod reaper;
mod report;
mod scale;
mod shuffle;
mod stats;
mod storm;
mod table;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use contender::Contender;
use reaper::with_reaper;
use report::Report;
use scale::Scale;

fn main() -> ExitCode {
    with_reaper(measure)
}

fn measure() {
    let scale = Scale::of(std::env::args().nth(1).as_deref());
    let programs = building::build();
    let statics = if scale.is_quick { None } else { building::build_static() };
    let scratch = Path::new("/dev/shm").join(format!("daemonic-peers-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a directory in memory");
    let contenders = Contender::all(&programs, statics.as_ref(), &scratch);

    let report = Report::measure(&contenders, &programs, &scratch, &scale);
    fs::remove_dir_all(&scratch).expect("the scratch directory");
    if !scale.is_quick {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::write(home.join("RESULTS.md"), &report.text).expect("the results");
        fs::write(home.join("results.svg"), &report.plot).expect("the plot");
    }
}
