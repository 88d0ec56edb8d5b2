//! What a dependency on this crate costs its users: the time of a clean release build, and the size of what comes out.
//!
//! A hello-daemon is built with this crate, with others, and with nothing but the standard library, in turn, in every
//! round from scratch; each figure is a ratio to the standard library's in the same round, the median of all rounds with
//! the least and the greatest. Everything is downloaded before. Run it on a machine that has nothing else to do:
//!
//! ```text
//! cargo bench --bench build_cost            # ten rounds, some four minutes
//! cargo bench --bench build_cost -- 30
//! ```

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{Cost, DAEMONIC, Directory, Package, print_circumstances, rounds};

/// The first one is what the others are compared with.
fn subjects(folder: &Path) -> Vec<(&'static str, Package)> {
    let program = |name: &str, dependencies: &str, main: &str| {
        Package::program(folder.join(name), &format!("[dependencies]\n{dependencies}\n"), main)
    };
    let hello = "fn main() { println!(\"hello\"); }";
    vec![
        ("std alone", program("bare", "", hello)),
        (
            "daemonic",
            program(
                "with-daemonic",
                DAEMONIC,
                &format!("#[daemonic::daemon(pidfile = \"/tmp/hello.pid\")] {hello}"),
            ),
        ),
        ("its dependencies alone", program("with-dependencies", &dependencies(folder), hello)),
        (
            "daemonize",
            program(
                "with-daemonize",
                "daemonize = \"0.5\"",
                "fn main() {
                    daemonize::Daemonize::new().pid_file(\"/tmp/hello.pid\").start().unwrap();
                    println!(\"hello\");
                }",
            ),
        ),
        (
            "daemonizr",
            program(
                "with-daemonizr",
                "daemonizr = \"0.1\"",
                "fn main() {
                    let daemon = daemonizr::Daemonizr::new().pidfile(\"/tmp/hello.pid\".into());
                    daemon.spawn().unwrap();
                    println!(\"hello\");
                }",
            ),
        ),
        (
            "clap, derived",
            program(
                "with-clap",
                "clap = { version = \"4\", features = [\"derive\"] }",
                "#[derive(clap::Parser)]
                struct Arguments { action: String }
                fn main() {
                    let arguments = <Arguments as clap::Parser>::parse();
                    println!(\"hello {}\", arguments.action);
                }",
            ),
        ),
    ]
}

/// Makes a package of what our macros depend on, and depends on it as on macros; and on what our runtime depends on.
fn dependencies(folder: &Path) -> String {
    let section = |manifest: &str, header: &str| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let (_, section) = manifest.split_once(&format!("\n{header}\n")).unwrap();
        let section = section.split("\n[").next().unwrap();
        let section = section.replace(".workspace = true", " = \"*\"");
        section.replace("workspace = true", "version = \"*\", default-features = false")
    };
    let macros = section("daemon-macros", "[dependencies]");
    let manifest = format!("[lib]\nproc-macro = true\n\n[dependencies]\n{macros}");
    Package::library(folder.join("macros"), &manifest, "");
    section("daemon-runtime", "[target.'cfg(unix)'.dependencies]") + "macros = { path = \"../macros\" }"
}

fn main() {
    let folder = Directory::new();
    let subjects = subjects(folder.path());
    for (_, package) in &subjects {
        package.cargo(&["fetch", "--quiet"]);
        package.cargo(&["build", "--release", "--offline", "--quiet"]);
    }

    let rounds = rounds(10);
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); subjects.len()];
    for round in 0..rounds {
        // A different one begins in each round, so that none always comes after the same.
        for turn in 0..subjects.len() {
            let subject = (round + turn) % subjects.len();
            let package = &subjects[subject].1;
            fs::remove_dir_all(package.path("target")).unwrap();
            costs[subject].push(Cost::of(|| {
                package.cargo(&["build", "--release", "--offline", "--quiet"]);
            }));
        }
    }

    print_circumstances(rounds);
    println!("| | wall time, of std's | processor time, of std's | crates | stripped, of std's |");
    println!("|---|---|---|---|---|");
    let smallest = stripped_size(&subjects[0].1);
    for ((name, package), own) in subjects.iter().zip(&costs) {
        let ratios = |figure: fn(&Cost) -> f64| {
            let mut ratios: Vec<_> =
                own.iter().zip(&costs[0]).map(|(own, std)| figure(own) / figure(std)).collect();
            ratios.sort_by(f64::total_cmp);
            let [least, median, greatest] = [0, ratios.len() / 2, ratios.len() - 1].map(|at| ratios[at]);
            format!("{median:.1} ({least:.1} to {greatest:.1})")
        };
        let wall = ratios(|cost| cost.wall.as_secs_f64());
        let processor = ratios(|cost| cost.processor.as_secs_f64());
        let size = stripped_size(package) / smallest;
        println!("| {name} | {wall} | {processor} | {} | {size:.2} |", crates(package));
    }
    println!();
    for package in subjects.iter().map(|(_, package)| package) {
        let direct = package.cargo(&["tree", "--offline", "--depth", "1", "--prefix", "none"]);
        let versions: Vec<_> = direct.lines().skip(1).filter(|line| !line.contains('/')).collect();
        if !versions.is_empty() {
            println!("{}", versions.join(", "));
        }
    }
}

/// Counts what is compiled besides the program itself.
fn crates(package: &Package) -> usize {
    let tree = package.cargo(&["tree", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    let names: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    names.len() - 1
}

fn stripped_size(package: &Package) -> f64 {
    package.cargo(&[
        "build",
        "--release",
        "--offline",
        "--quiet",
        "--config",
        "profile.release.strip = true",
    ]);
    let name = package.path("").file_name().unwrap().to_owned();
    let length = fs::metadata(package.path("target/release").join(name)).unwrap().len();
    u32::try_from(length).unwrap().into()
}
