//! This crate's repeating daemon.
//!
//! `repeat ACTION DIRECTORY`.

use std::path::Path;
use std::process::ExitCode;

use daemonic::repeat_daemon;

#[repeat_daemon(every = "1h", check = Ok::<(), String>(()), pidfile = directory.join("d.pid"), stdout = directory.join("d.log"))]
fn repeat(directory: &Path) {
    let _ = directory;
    println!("up");
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    daemonic::report(repeat(action, Path::new(&directory)))
}
