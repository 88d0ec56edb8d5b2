//! This crate's plain daemon.
//!
//! `plain ACTION DIRECTORY`, or `plain --all stop`.

use std::path::Path;
use std::process::ExitCode;

use daemonic::{Invocation, daemon};

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"))]
fn plain(directory: &Path) {
    let _ = directory;
    println!("up");
    loop {
        nix::unistd::pause();
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (action, directory) = (words.next(), words.next().unwrap_or_default());
    if action.as_deref() == Some("--all") {
        return daemonic::report(plain(Invocation::from_args(std::env::args_os().skip(1)), Path::new("/")));
    }
    daemonic::report(plain(action, Path::new(&directory)))
}
