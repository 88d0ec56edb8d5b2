//! A whole program by `Daemon::main`. The environment names its pidfile.

use std::env;
use std::process::ExitCode;
use std::thread;

use daemonic::Daemon;

fn main() -> ExitCode {
    let pidfile = env::var("SUBJECT_PIDFILE").expect("a pidfile");
    Daemon::new("whole").pidfile(pidfile).main(thread::park)
}
