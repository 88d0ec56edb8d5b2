//! A whole program by the attribute, whose key `check` reads a file.
//!
//! The environment names the pidfile and the file.

use std::env;
use std::fs;
use std::thread;

fn main() -> std::process::ExitCode {
    let path = |key| env::var(key).expect("a path");
    daemonic::report(checked(env::args().nth(1), path("SUBJECT_PIDFILE"), path("SUBJECT_PORT")))
}

#[daemonic::daemon(pidfile = &pidfile, check = port(&file))]
fn checked(pidfile: String, file: String) {
    drop((pidfile, file));
    thread::park();
}

fn port(file: &str) -> Result<u16, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    text.trim().parse().map_err(|error| format!("{file}: {error}"))
}
