//! A whole program by `Daemon::main`. The environment names its pidfile, and perhaps its version.
//!
//! Its log has the arguments after the action, if there are any.

use std::env;
use std::process::ExitCode;
use std::thread;

use daemonic::Daemon;

/// Runs it, here or as part of a program with a feature.
pub(crate) fn main() -> ExitCode {
    let pidfile = env::var("SUBJECT_PIDFILE").expect("a pidfile");
    let mut daemon = Daemon::new("whole").pidfile(pidfile);
    if let Ok(log) = env::var("SUBJECT_STDOUT") {
        daemon = daemon.stdout(log);
    }
    if let Ok(version) = env::var("SUBJECT_VERSION") {
        daemon = daemon.version(version);
    }
    daemon.main(|| {
        let arguments: Vec<String> = env::args().skip_while(|word| word.starts_with("--")).skip(2).collect();
        if !arguments.is_empty() {
            println!("{}", arguments.join(" "));
        }
        thread::park();
    })
}
