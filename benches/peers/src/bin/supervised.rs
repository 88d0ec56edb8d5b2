//! This crate's supervised daemon.
//!
//! `supervised ACTION DIRECTORY`, or `supervised --all stop`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, Invocation, daemon};

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"), respawn = "on-failure")]
fn supervised(directory: &Path, context: &Context) {
    let _ = directory;
    println!("up");
    while !context.wait(Duration::MAX) {}
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    if action.as_deref() == Some("--all") {
        return daemonic::report(supervised(
            Invocation::from_args(std::env::args_os().skip(1)),
            Path::new("/"),
        ));
    }
    daemonic::report(supervised(action, Path::new(&directory)))
}
