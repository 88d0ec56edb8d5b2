//! A program that calls the dispatcher from inside a tokio runtime, and doesn't have the feature `tokio`.

use std::env;
use std::process::ExitCode;

use daemonic::Daemon;

#[tokio::main]
async fn main() -> ExitCode {
    let daemon = Daemon::new("subject").pidfile(env::var("SUBJECT_PIDFILE").expect("a pidfile"));
    daemonic::report(daemon.dispatch(env::args().nth(1), std::thread::park))
}
