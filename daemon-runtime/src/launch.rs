//! Two forks, and the message by which the launcher learns what became of the daemon.
//!
//! ```text
//! launcher ── fork ── first child: setsid ── fork ── daemon: sets itself up
//!    │                    └ _exit, reaped               │
//!    └─────── pipe: Ready, or Failed(why); ─────────────┤
//!             with `wait_ready` first Waiting            └ calls the body
//! ```
//!
//! The first child leads the new session; the daemon doesn't, so it can never get a controlling
//! terminal back ([daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html)). The launcher
//! goes by the message. The end of the pipe without one is a failure: the daemon is dead, since until the body
//! is called nobody else has the pipe open.

use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, read, setsid};

use crate::error::{Error, Result};
use crate::holder::{Holder, Woken};
use crate::readiness::{Message, Readiness};
use crate::settings::Plan;
use crate::signals::Blocked;
use crate::stdio::above_stdio;
use crate::sys::{self, PidFd, Sys};

/// In which process [`fork_daemon`] has returned.
pub(crate) enum Side {
    /// In the caller, which has yet to hear from the daemon.
    Launcher(Launch),
    /// In the daemon, which has yet to set itself up. All signals are blocked.
    Daemon(Readiness),
}

/// Forks a daemon, and returns in both.
pub(crate) fn fork_daemon() -> Result<Side> {
    // What lies in the buffers would be written by both.
    let _ = (io::stdout().flush(), io::stderr().flush());
    let (reader, writer) = pipe().map_err(|errno| Error::os("cannot make a pipe", errno))?;
    let blocked = Blocked::all().map_err(|errno| Error::os("cannot block signals", errno))?;
    match sys::fork() {
        Err(errno) => Err(Error::os("cannot fork", errno)),
        Ok(ForkResult::Child) => {
            mem::forget(blocked);
            drop(reader);
            Ok(Side::Daemon(lead_session(writer)))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(writer);
            Ok(Side::Launcher(Launch { first_child: child, pipe: reader, received: Vec::new() }))
        }
    }
}

fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let (reader, writer) = sys::pipe(OFlag::empty())?;
    Ok((above_stdio(reader)?, above_stdio(writer)?))
}

/// The first child's life: it returns in its own child only.
fn lead_session(writer: OwnedFd) -> Readiness {
    let readiness = Readiness::new(writer);
    let error = match setsid().map(|_| sys::fork()) {
        Ok(Ok(ForkResult::Child)) => return readiness,
        Ok(Ok(ForkResult::Parent { .. })) => sys::exit_now(0),
        Ok(Err(errno)) => Error::os("cannot fork the daemon", errno),
        Err(errno) => Error::os("cannot make a session", errno),
    };
    readiness.failed(error);
    sys::exit_now(1)
}

/// Waits for the first child, which has only to exit. A caller that ignores SIGCHLD, or reaps every
/// child, may have it gone already.
fn reap(child: Pid) {
    while waitpid(child, None) == Err(Errno::EINTR) {}
}

/// The launcher's side of a launch: what it has heard of the daemon so far.
pub(crate) struct Launch {
    first_child: Pid,
    pipe: OwnedFd,
    received: Vec<u8>,
}

impl Launch {
    /// Returns once the daemon has said that it is ready, or has failed; then nothing is left of it.
    pub(crate) fn outcome(mut self, plan: &Plan) -> Result<Pid> {
        let outcome = self.hear(plan);
        reap(self.first_child);
        outcome
    }

    fn hear(&mut self, plan: &Plan) -> Result<Pid> {
        match self.next_message()? {
            Some(Message::Ready(pid)) => Ok(pid),
            Some(Message::Waiting(pid)) => self.await_body(plan, pid),
            Some(Message::Failed(pid, error)) => {
                await_end(pid);
                Err(error)
            }
            None => Err(Self::died(plan)),
        }
    }

    /// Waits for what the body says, as long as `wait_ready`. A child that the body has forked may keep the
    /// pipe open after the daemon's death, so the daemon itself is watched too.
    fn await_body(&mut self, plan: &Plan, pid: Pid) -> Result<Pid> {
        let patience = plan.wait_ready.unwrap_or_default();
        let deadline = Instant::now().checked_add(patience);
        // None, or one without a name: the daemon is dead, and at the most a child of its body is left.
        let daemon = Holder::find(&plan.pidfile).ok().flatten().filter(|holder| holder.pid() == pid);
        let failure = loop {
            let woken = match &daemon {
                Some(daemon) => daemon.wait(Some(self.pipe.as_fd()), deadline)?,
                None => Woken::Gone,
            };
            let has_message = woken == Woken::Readable || woken == Woken::Gone && self.is_readable();
            match has_message.then(|| self.next_message()).transpose()?.flatten() {
                Some(Message::Ready(pid)) => return Ok(pid),
                Some(Message::Failed(_, error)) => break error,
                Some(Message::Waiting(_)) => {}
                None if woken == Woken::Late => {
                    break Error::failed(format!("not ready after {patience:?}"));
                }
                None => break Self::died(plan),
            }
        };
        if let Some(daemon) = daemon {
            daemon.end(plan.stop_signal, plan.stop_timeout)?;
        }
        let _ = plan.pidfile.remove_stale(true);
        Err(failure)
    }

    /// Reads the next message; none if the pipe ends without another.
    fn next_message(&mut self) -> Result<Option<Message>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some((message, rest)) = Message::decode(&self.received) {
                self.received = rest.to_vec();
                return Ok(Some(message));
            }
            match read(&self.pipe, &mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os("cannot hear of the daemon", errno)),
            }
        }
    }

    fn is_readable(&self) -> bool {
        let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }

    /// The daemon was killed; it can't have removed its pidfile.
    fn died(plan: &Plan) -> Error {
        let _ = plan.pidfile.remove_stale(false);
        Error::failed("the daemon died before it was ready")
    }
}

/// Waits until a process that has failed is gone, so that nothing is left when the launcher says so.
fn await_end(pid: Pid) {
    let Ok(process) = PidFd::open(pid) else { return };
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, 1000_u16) == Err(Errno::EINTR) {}
}
