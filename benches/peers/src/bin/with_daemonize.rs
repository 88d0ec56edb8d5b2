//! A daemon made with `daemonize`.

use std::fs::OpenOptions;
use std::process::{ExitCode, exit};

use daemonic_peers::{Call, body};
use daemonize::Daemonize;

fn main() -> ExitCode {
    Call::read().act(|call| {
        let log = OpenOptions::new().append(true).create(true).open(&call.log).expect("the log");
        let error_log = log.try_clone().expect("a descriptor");
        let daemon = Daemonize::new().pid_file(&call.pidfile).stdout(log).stderr(error_log);
        if let Err(error) = daemon.start() {
            eprintln!("{error}");
            exit(1);
        }
        let _ = body();
    })
}
