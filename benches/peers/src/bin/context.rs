//! This crate's daemon with a `Context`.
//!
//! `context ACTION DIRECTORY`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, daemon};

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"))]
fn context(directory: &Path, context: &Context) {
    let _ = directory;
    println!("up");
    while !context.wait(Duration::MAX) {}
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    daemonic::report(context(action, Path::new(&directory)))
}
