//! A job at half past three each night, local time.
//!
//! Run `cargo run -p example-nightly -- start`, then `status`, `next 5`, and `stop`.

use std::path::PathBuf;
use std::process::ExitCode;

use daemonic::{Invocation, repeat_daemon};

#[repeat_daemon(cron = "30 3 * * *", pidfile = home("daemon_nightly.pid"), stdout = home("daemon_nightly.log"))]
fn nightly() {
    println!("good night");
}

fn main() -> ExitCode {
    daemonic::report(nightly(Invocation::from_args(std::env::args_os().skip(1))))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().expect("a home directory").join(file)
}
