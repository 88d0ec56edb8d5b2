//! The builder `Daemon`, to which the attributes expand.
//!
//! Run `cargo run --example function -- start`, then `status`, then `stop`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use daemonic::Daemon;

fn example() {
    loop {
        println!("testing daemon ...");
        sleep(Duration::from_secs(5));
    }
}

fn main() -> ExitCode {
    let daemon =
        Daemon::new("example").pidfile(home("daemon_example.pid")).stdout(home("daemon_example.log"));
    daemonic::report(daemon.dispatch(std::env::args().nth(1), example))
}

fn home(file: &str) -> PathBuf {
    std::env::home_dir().expect("a home directory").join(file)
}
