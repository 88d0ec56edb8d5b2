//! Measures this crate beside its peers: `cargo run --release --package daemonic-peers [ROUNDS | quick]`.
//!
//! It prints tables, writes them to `benches/peers/RESULTS.md`, and renews the README's table and its plot. The quick form, in some
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

use std::fmt::Write;
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
        let root = home.join("../..");
        fs::write(root.join("docs/peers.svg"), &report.plot).expect("the plot");
        fs::write(root.join("docs/peers.md"), link(&report.plot)).expect("the plot");
        update_readme(&root.join("README.md"), &report.summary);
    }
}

/// Returns the plot as the target of the README's link, for rustdoc, which has no files beside its pages.
fn link(plot: &str) -> String {
    let mut text = String::from("[peers]: data:image/svg+xml,");
    for byte in plot.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~=:/".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text.push('\n');
    text
}

/// Replaces the README's table, which stands between two comments.
fn update_readme(path: &Path, table: &str) {
    let text = fs::read_to_string(path).expect("the README");
    let (before, rest) = text.split_once(BEGIN).expect("the comment before the table");
    let (_, after) = rest.split_once(END).expect("the comment after the table");
    fs::write(path, format!("{before}{BEGIN}\n{table}{END}{after}")).expect("the README");
}

const BEGIN: &str = "<!-- Written by benches/peers. -->";
const END: &str = "<!-- End of what benches/peers writes. -->";
