//! Two forks, and the message by which the launcher learns what became of the daemon.
//!
//! ```text
//! launcher ── fork ── first child: setsid ── fork ── daemon: sets itself up
//!    │                    └ _exit, reaped               │
//!    ├────────────── Ready, or Failed(why) ─────────────┤
//!    │              with `wait_ready` before:           │
//!    └───────── Waiting, and the answer `go on` ────────┴─ calls the body
//! ```
//!
//! The first child leads the new session; the daemon doesn't, so it can never get a controlling
//! terminal back ([daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html)). The launcher
//! goes by the message. The end of the channel without one is a failure: until the body is called nobody but the
//! daemon has its end open, so the daemon is dead. Once the body is called, its children may have it open too;
//! so before that, with `wait_ready`, the daemon waits until the launcher has pinned it.

use std::io::{self, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, setsid};

use crate::error::{Error, Result};
use crate::holder::{Holder, Woken};
use crate::readiness::{Message, Readiness};
use crate::settings::Plan;
use crate::signals::Blocked;
use crate::sys::{self, PidFd};

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
    let (launchers, daemons) = channel().map_err(|error| Error::io("cannot make a channel", &error))?;
    let blocked = Blocked::all().map_err(|errno| Error::os("cannot block signals", errno))?;
    match sys::fork() {
        Err(errno) => Err(Error::os("cannot fork", errno)),
        Ok(ForkResult::Child) => {
            mem::forget(blocked);
            drop(launchers);
            Ok(Side::Daemon(lead_session(daemons.into())))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(daemons);
            Ok(Side::Launcher(Launch { first_child: child, channel: launchers, received: Vec::new() }))
        }
    }
}

fn channel() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    Ok((sys::above_floor(one.into())?.into(), sys::above_floor(other.into())?.into()))
}

/// The first child's life: it returns in its own child only.
fn lead_session(channel: OwnedFd) -> Readiness {
    let readiness = Readiness::new(channel);
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

/// Takes the exit status of a daemon that has failed, if this process is the one that gets the orphans: process 1
/// of a PID namespace, or a subreaper (prctl(2)).
fn reap_orphan(daemon: Pid) {
    let _ = waitpid(daemon, Some(WaitPidFlag::WNOHANG));
}

/// The launcher's side of a launch: what it has heard of the daemon so far.
pub(crate) struct Launch {
    first_child: Pid,
    channel: UnixStream,
    received: Vec<u8>,
}

impl Launch {
    /// Returns once the daemon has said that it is ready, or has failed; then nothing is left of it.
    pub(crate) fn outcome(mut self, plan: &Plan) -> Result<Pid> {
        let outcome = match self.next_message() {
            Some(Message::Ready(pid)) => Ok(pid),
            Some(Message::Waiting(pid)) => self.await_body(plan, pid),
            Some(Message::Failed(pid, error)) => {
                await_end(pid);
                Err(error)
            }
            None => Err(died()),
        };
        if outcome.as_ref().is_err_and(|error| !error.is_already_running()) {
            // One that was killed, or that couldn't reach the path any more, has left it.
            plan.pidfile.clear();
        }
        reap(self.first_child);
        outcome
    }

    /// Lets the body of a daemon begin once it is pinned, and waits for what it says. What goes wrong here ends
    /// the daemon.
    fn await_body(&mut self, plan: &Plan, pid: Pid) -> Result<Pid> {
        // The daemon waits for a word of ours, and nobody else has its end of the channel. So if that is still
        // open once the process is pinned, the process is the daemon.
        let daemon = match Holder::of_child(pid, &plan.pidfile) {
            Ok(daemon) if !self.is_readable() => daemon,
            Ok(_) => return Err(died()),
            Err(error) => {
                self.send_away();
                return Err(error);
            }
        };
        let outcome = self.until_ready(plan, &daemon);
        if outcome.is_err() {
            let ended = daemon.end(plan.stop_signal, plan.stop_timeout);
            if ended.is_err() {
                let _ = daemon.signal(libc::SIGKILL);
                plan.pidfile.await_release(pid);
            }
            reap_orphan(pid);
            let _ = plan.pidfile.remove_stale(true);
        }
        outcome
    }

    /// Waits for what the body says, as long as `wait_ready`. A child that the body has forked may keep the
    /// channel open after the daemon's death, so the daemon itself is watched too.
    fn until_ready(&mut self, plan: &Plan, daemon: &Holder) -> Result<Pid> {
        let patience = plan.wait_ready.unwrap_or_default();
        let deadline = Instant::now().checked_add(patience);
        self.channel.write_all(b"!").map_err(|error| Error::io("cannot let the daemon go on", &error))?;
        let woken = daemon.wait(Some(self.channel.as_fd()), deadline)?;
        let has_message = woken == Woken::Readable || woken == Woken::Gone && self.is_readable();
        match has_message.then(|| self.next_message()).flatten() {
            Some(Message::Ready(pid)) => Ok(pid),
            Some(Message::Failed(_, error)) => Err(error),
            _ if woken == Woken::Late => Err(Error::failed(format!("not ready after {patience:?}"))),
            _ => Err(died()),
        }
    }

    /// Reads the next message; none if the channel ends without another.
    fn next_message(&mut self) -> Option<Message> {
        let mut buffer = [0; 4096];
        let mut failures = 0;
        loop {
            if let Some((message, rest)) = Message::decode(&self.received) {
                self.received = rest.to_vec();
                return Some(message);
            }
            match self.channel.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing else is to be expected; since a daemon's fate hangs on it, it gets another chance.
                Err(_) if failures < 3 => failures += 1,
                Err(_) => return None,
            }
        }
    }

    fn is_readable(&self) -> bool {
        sys::await_input([Some(self.channel.as_fd()), None], Some(Duration::ZERO)) == Ok([true, false])
    }

    /// Has a daemon give up that waits for a word, and waits until it has.
    fn send_away(&mut self) {
        let _ = self.channel.shutdown(Shutdown::Write);
        while self.next_message().is_some() {}
    }
}

fn died() -> Error {
    Error::failed("the daemon died before it was ready")
}

/// Waits until a process that has failed is gone, so that nothing is left when the launcher says so.
fn await_end(pid: Pid) {
    let Ok(process) = PidFd::open(pid) else { return };
    let patience = Some(Duration::from_secs(1));
    while sys::await_input([Some(process.as_fd()), None], patience) == Err(Errno::EINTR) {}
    reap_orphan(pid);
}
