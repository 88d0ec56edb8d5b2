//! The program written by hand, linked with this crate, which it never calls.
//!
//! Its difference from the program without the crate is the cost of the larger image alone: `linked ACTION DIRECTORY`.

use std::path::Path;
use std::process::ExitCode;

use daemonic::daemon;

#[path = "by_hand.rs"]
mod by_hand;

#[daemon(pidfile = directory.join("d.pid"), stdout = directory.join("d.log"))]
fn linked(directory: &Path) {
    let _ = directory;
    println!("up");
    loop {
        nix::unistd::pause();
    }
}

fn main() -> ExitCode {
    // The variable is never set, which the compiler cannot know.
    if std::env::var_os("DAEMONIC_PEERS_NEVER").is_some() {
        return daemonic::report(linked(std::env::args().nth(1), Path::new("/")));
    }
    by_hand::main();
    ExitCode::SUCCESS
}
