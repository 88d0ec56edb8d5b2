//! A daemon made with `daemonizr`.

use std::process::{ExitCode, exit};

use daemonic_peers::{Call, body};
use daemonizr::{Daemonizr, Stderr, Stdout};

fn main() -> ExitCode {
    Call::read().act(|call| {
        let daemon = Daemonizr::new()
            .work_dir("/".into())
            .expect("a directory")
            .pidfile(call.pidfile.clone())
            .stdout(Stdout::Redirect(call.log.clone()))
            .stderr(Stderr::Redirect(call.log.clone()));
        if let Err(error) = daemon.spawn() {
            eprintln!("{error}");
            exit(1);
        }
        let _ = body();
    })
}
