//! A daemon whose body has many lives, each with the values of its parameters anew. Its log and pidfile are named by the
//! environment.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use daemonic::{Context, daemon};

fn path(key: &str) -> PathBuf {
    env::var_os(key).expect("a path").into()
}

#[daemon(
    name = "subject",
    pidfile = path("SUBJECT_PIDFILE"),
    stdout = path("SUBJECT_STDOUT"),
    respawn = "always",
    respawn_delay = "10ms",
    respawn_limit = 0
)]
fn live(mut text: String, mut count: u32, word: &str, _context: &Context) {
    text.push_str(word);
    count += 1;
    println!("{text} {count}");
}

fn main() -> ExitCode {
    daemonic::report(live(env::args().nth(1), "text".to_owned(), 0, "!"))
}
