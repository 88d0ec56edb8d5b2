//! A daemon made with `fork`, which writes the pidfile itself.

use std::fs::{self, OpenOptions};
use std::process::{ExitCode, exit, id};

use daemonic_peers::{Call, body};
use fork::{Fork, daemon};
use nix::unistd::{dup2_stderr, dup2_stdout};

fn main() -> ExitCode {
    Call::read().act(|call| {
        let log = OpenOptions::new().append(true).create(true).open(&call.log).expect("the log");
        match daemon(false, false) {
            Ok(Fork::Child) => {
                fs::write(&call.pidfile, id().to_string()).expect("the pidfile");
                dup2_stdout(&log).and_then(|()| dup2_stderr(&log)).expect("the streams");
                let _ = body();
            }
            Ok(Fork::Parent(_)) => {}
            Err(error) => {
                eprintln!("{error}");
                exit(1);
            }
        }
    })
}
