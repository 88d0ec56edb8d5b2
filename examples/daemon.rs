//! A function as a daemon, by the attribute.
//!
//! `cargo run --example daemon -- start`, then `status`, `stop`.

use std::path::PathBuf;
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

fn main() -> daemonic::Result {
    example(std::env::args().nth(1))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(file)
}
