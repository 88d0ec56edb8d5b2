//! This crate's supervised daemon.
//!
//! `supervised ACTION DIRECTORY`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, daemon};

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"), respawn = "on-failure")]
fn supervised(directory: &Path, context: &Context) {
    let _ = directory;
    println!("up");
    while !context.wait(Duration::MAX) {}
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    daemonic::report(supervised(action, Path::new(&directory)))
}
