//! A function that is called every five seconds, by a daemon.
//!
//! `cargo run --example repeat -- start`, then `status`, `stop`.

use std::path::PathBuf;

use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", pidfile = home("daemon_example.pid"), stdout = home("daemon_example.log"))]
fn example() {
    println!("testing daemon ...");
}

fn main() -> daemonic::Result {
    example(std::env::args().nth(1))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(file)
}
