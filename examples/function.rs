//! A function as a daemon, by the builder that the attributes expand to.
//!
//! `cargo run --example function -- start`, then `status`, `stop`.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use daemonic::Daemon;

fn example() {
    loop {
        println!("testing daemon ...");
        sleep(Duration::from_secs(5));
    }
}

fn main() -> daemonic::Result {
    Daemon::new("example")
        .pidfile(home("daemon_example.pid"))
        .stdout(home("daemon_example.log"))
        .dispatch(std::env::args().nth(1), example)
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(file)
}
