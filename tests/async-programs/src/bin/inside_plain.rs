//! A program that calls the dispatcher inside a tokio runtime without the feature `tokio`.

use std::env;
use std::process::ExitCode;

use daemonic::Daemon;

#[tokio::main]
async fn main() -> ExitCode {
    let daemon = Daemon::new("subject").pidfile(env::var("SUBJECT_PIDFILE").expect("a pidfile"));
    daemonic::report(daemon.dispatch(env::args().nth(1), std::thread::park))
}
