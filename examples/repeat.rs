//! `#[repeat_daemon]`: a function that the daemon calls every five seconds.
//!
//! Run `cargo run --example repeat -- start`, then `status`, then `stop`.

use std::path::PathBuf;
use std::process::ExitCode;

use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", pidfile = home("daemon_example.pid"), stdout = home("daemon_example.log"))]
fn example() {
    println!("testing daemon ...");
}

fn main() -> ExitCode {
    daemonic::report(example(std::env::args().nth(1)))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().expect("a home directory").join(file)
}
