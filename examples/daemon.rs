//! `#[daemon]` on a function that is called with an action.
//!
//! Run `cargo run --example daemon -- start`, then `status`, then `stop`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use daemonic::daemon;

#[daemon(pidfile = home("daemon_example.pid"), stdout = home("daemon_example.log"))]
fn example() {
    loop {
        println!("testing daemon ...");
        sleep(Duration::from_secs(5));
    }
}

fn main() -> ExitCode {
    daemonic::report(example(std::env::args().nth(1)))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().expect("a home directory").join(file)
}
