//! `#[daemon]` on `fn main`: a whole program, with a usage text, messages and exit codes.
//!
//! Run `cargo run --example main -- start`, then `status`, then `stop`. `help` lists the actions.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use daemonic::daemon;

#[daemon(pidfile = home("daemon_example.pid"), stdout = home("daemon_example.log"))]
fn main() {
    loop {
        println!("testing daemon ...");
        sleep(Duration::from_secs(5));
    }
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().expect("a home directory").join(file)
}
