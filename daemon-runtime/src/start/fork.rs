//! The two forks that lead to a daemon.
//!
//! ```text
//! launcher ── fork ── first child: setsid ── fork ── daemon: sets itself up
//!    │                    └ _exit, reaped               │
//!    ├────────────── Ready, or Failed(why) ─────────────┤
//!    │              with `wait_ready` or `setup` first:  │
//!    └───────── Waiting, then the answer GoOn ──────────┴─ calls the body
//! ```
//!
//! The first child leads the new session. The daemon does not, so it never gets a controlling terminal
//! ([daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html)).

use std::io::{self, Write};
use std::mem;
use std::os::unix::net::UnixStream;

use nix::unistd::{ForkResult, setsid};

use crate::command::error::{Error, Result};
use crate::life::readiness::{Readiness, channel};
use crate::start::launcher::Launcher;
use crate::sys::mask::AllBlocked;
use crate::sys::process::{SingleThread, exit_now, flush_c_streams, fork};

/// The process in which [`fork_daemon`] has returned.
pub(crate) enum Side {
    /// The caller, which waits for the daemon's report.
    Launcher(Launcher),
    /// The daemon, which has yet to set itself up. All signals are blocked.
    Daemon(Readiness, SingleThread),
}

/// Forks a daemon, and returns in both processes.
pub(crate) fn fork_daemon(thread: SingleThread) -> Result<Side> {
    // Otherwise both processes would write what the buffers of Rust and C contain.
    let _ = (io::stdout().flush(), io::stderr().flush());
    flush_c_streams();
    let (launcher_end, daemon_end) =
        channel().map_err(|error| Error::io(format_args!("cannot make a channel"), &error))?;
    let blocked =
        AllBlocked::new().map_err(|errno| Error::os(format_args!("cannot block signals"), errno))?;
    match fork(&thread) {
        Err(errno) => Err(Error::os(format_args!("cannot fork"), errno)),
        Ok(ForkResult::Child) => {
            mem::forget(blocked);
            drop(launcher_end);
            Ok(Side::Daemon(lead_session(daemon_end, &thread), thread))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(daemon_end);
            Ok(Side::Launcher(Launcher::new(child, launcher_end)))
        }
    }
}

/// Runs the first child, and returns only in the child that it forks.
fn lead_session(channel: UnixStream, thread: &SingleThread) -> Readiness {
    let readiness = Readiness::new(channel);
    let error = match setsid().map(|_| fork(thread)) {
        Ok(Ok(ForkResult::Child)) => return readiness,
        Ok(Ok(ForkResult::Parent { .. })) => exit_now(0),
        Ok(Err(errno)) => Error::os(format_args!("cannot fork the daemon"), errno),
        Err(errno) => Error::os(format_args!("cannot make a session"), errno),
    };
    readiness.failed(error);
    exit_now(1)
}
