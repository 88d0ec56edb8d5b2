//! This crate's daemon that says when it is ready.
//!
//! `ready ACTION DIRECTORY`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, daemon};

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"), wait_ready = "10s")]
fn ready(directory: &Path, context: &Context) {
    let _ = directory;
    println!("up");
    context.ready();
    while !context.wait(Duration::MAX) {}
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    daemonic::report(ready(action, Path::new(&directory)))
}
