//! What the peers' programs share: the steps that their users write themselves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, exit};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pause};

/// The action and the files that a peer's program is called with.
pub struct Call {
    /// `start`, `stop`, `restart` or `status`.
    pub action: String,
    /// The pidfile.
    pub pidfile: PathBuf,
    /// The log.
    pub log: PathBuf,
}

impl Call {
    /// Reads `PROGRAM ACTION DIRECTORY`.
    #[must_use]
    pub fn read() -> Self {
        let mut arguments = std::env::args().skip(1);
        let (Some(action), Some(directory)) = (arguments.next(), arguments.next()) else {
            eprintln!("usage: PROGRAM start|stop|restart|status DIRECTORY");
            exit(2);
        };
        let directory = Path::new(&directory);
        Self { action, pidfile: directory.join("d.pid"), log: directory.join("d.log") }
    }

    /// Carries out the action of a crate that has `start` only, as its users do.
    #[must_use]
    pub fn act(&self, start: impl FnOnce(&Self)) -> ExitCode {
        match self.action.as_str() {
            "start" => start(self),
            "stop" => stop(&self.pidfile),
            "restart" => {
                stop(&self.pidfile);
                start(self);
            }
            "status" => return ExitCode::from(if running(&self.pidfile).is_some() { 0 } else { 3 }),
            _ => return ExitCode::from(2),
        }
        ExitCode::SUCCESS
    }
}

/// Returns the process that the pidfile names, if a process has this number.
fn running(pidfile: &Path) -> Option<Pid> {
    let pid = Pid::from_raw(fs::read_to_string(pidfile).ok()?.trim().parse().ok()?);
    kill(pid, None).is_ok().then_some(pid)
}

/// Reads the pidfile, sends SIGTERM, and looks every 100 ms: the loop that these crates' users write.
fn stop(pidfile: &Path) {
    let Some(pid) = running(pidfile) else { return };
    let begin = Instant::now();
    let mut signal = Signal::SIGTERM;
    while kill(pid, signal).is_ok() {
        if begin.elapsed() > Duration::from_secs(10) {
            signal = Signal::SIGKILL;
        }
        sleep(Duration::from_millis(100));
    }
    let _ = fs::remove_file(pidfile);
}

/// The body of every daemon: one line, then sleep.
///
/// # Errors
///
/// Never returns.
pub fn body() -> io::Result<()> {
    println!("up");
    loop {
        pause();
    }
}
