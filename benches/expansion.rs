//! How long the macros take for many fns: it should be in proportion to their number.
//!
//! `cargo check` of so many annotated fns is compared with that of the same fns with the expansion written out, so that
//! what is left is the macros' own work. Of several rounds, in which the two take turns, the shortest times count.
//!
//! ```text
//! cargo bench --bench expansion            # five rounds, some two minutes
//! cargo bench --bench expansion -- 20
//! ```

mod common;

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use common::{Cost, DAEMONIC, Directory, Package, print_circumstances, rounds};

const ANNOTATED: &str = r#"
#[daemonic::repeat_daemon(every = "5s", times = 3, pidfile = "/tmp/N.pid", stdout = "/tmp/N.log")]
pub fn N(name: String) {
    println!("{name}");
}
"#;

const EXPANDED: &str = r#"
pub fn N(action: impl ::daemonic::IntoAction, name: String) -> ::daemonic::Result {
    fn N(name: String) {
        println!("{name}");
    }
    ::daemonic::Daemon::new("N")
        .pidfile("/tmp/N.pid")
        .stdout("/tmp/N.log")
        .every(::core::time::Duration::from_secs(5))
        .times(3)
        .dispatch(action, move || N(::core::clone::Clone::clone(&name)))
}
"#;

fn main() {
    let folder = Directory::new();
    let package = Package::library(folder.path().join("many"), &format!("[dependencies]\n{DAEMONIC}\n"), "");
    package.cargo(&["check", "--quiet"]);
    let check = |template: &str, count: u16| {
        let mut source = String::new();
        for number in 0..count {
            write!(source, "{}", template.replace('N', &format!("daemon_{number}"))).unwrap();
        }
        fs::write(package.path("src/lib.rs"), source).unwrap();
        Cost::of(|| {
            package.cargo(&["check", "--offline", "--quiet"]);
        })
        .wall
    };

    let rounds = rounds(5);
    print_circumstances(rounds);
    println!("| fns | annotated | written out | the macros' share | of it for each fn |");
    println!("|---|---|---|---|---|");
    for count in [1_u16, 100, 500, 1000, 2000] {
        let (mut annotated, mut expanded) = (Duration::MAX, Duration::MAX);
        for _ in 0..rounds {
            annotated = annotated.min(check(ANNOTATED, count));
            expanded = expanded.min(check(EXPANDED, count));
        }
        let [annotated, expanded] = [annotated, expanded].map(|least| least.as_secs_f64() * 1e3);
        let share = annotated - expanded;
        // Of a single one it is less than what the times vary by.
        let each = match count {
            1 => "–".to_owned(),
            _ => format!("{:.0} µs", share * 1e3 / f64::from(count)),
        };
        println!("| {count} | {annotated:.0} ms | {expanded:.0} ms | {share:.0} ms | {each} |");
    }
}
