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

use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use crate::error::{Error, Result};
use crate::holder::{Holder, Woken};
use crate::readiness::{Channel, Message, Readiness, Verdict};
use crate::settings::Plan;
use crate::signals::Blocked;
use crate::span::Span;
use crate::sys::{self, Fork, Pid, PidFd, now};

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
    let [launchers, daemons] =
        Channel::pair().map_err(|error| Error::io(format_args!("cannot make a channel"), &error))?;
    let blocked = Blocked::all().map_err(|errno| Error::os(format_args!("cannot block signals"), errno))?;
    match sys::fork() {
        Err(errno) => Err(Error::os(format_args!("cannot fork"), errno)),
        Ok(Fork::Child) => {
            mem::forget(blocked);
            drop(launchers);
            Ok(Side::Daemon(lead_session(daemons)))
        }
        Ok(Fork::Parent { child }) => {
            drop(daemons);
            Ok(Side::Launcher(Launch { first_child: child, channel: launchers }))
        }
    }
}

/// The first child's life: it returns in its own child only.
fn lead_session(channel: Channel) -> Readiness {
    let readiness = Readiness::new(channel);
    let error = match sys::setsid().map(|()| sys::fork()) {
        Ok(Ok(Fork::Child)) => return readiness,
        Ok(Ok(Fork::Parent { .. })) => sys::exit_now(0),
        Ok(Err(errno)) => Error::os(format_args!("cannot fork the daemon"), errno),
        Err(errno) => Error::os(format_args!("cannot make a session"), errno),
    };
    readiness.failed(error);
    sys::exit_now(1)
}

/// Waits for the first child, which has only to exit. A caller that ignores SIGCHLD, or reaps every
/// child, may have it gone already.
fn reap(child: Pid) {
    while sys::reap(child, 0) == Err(Errno::EINTR) {}
}

/// Takes the exit status of a daemon that has failed, if this process is the one that gets the orphans: process 1
/// of a PID namespace, or a subreaper (prctl(2)).
fn reap_orphan(daemon: Pid) {
    let _ = sys::reap(daemon, libc::WNOHANG);
}

/// The launcher's side of a launch.
pub(crate) struct Launch {
    first_child: Pid,
    channel: Channel,
}

/// How the launcher waits for a body that says when it is ready.
pub(crate) type AwaitBody = fn(&Launch, &Plan, Pid) -> Result<Pid>;

impl Launch {
    /// Returns once the daemon has said that it is ready, or has failed; then nothing is left of it. A body without a
    /// `Context` isn't waited for.
    pub(crate) fn outcome(self, plan: &Plan, await_body: Option<AwaitBody>) -> Result<Pid> {
        let outcome = match (self.next_message(), await_body) {
            (Some(Message::Ready(pid)), _) => Ok(pid),
            (Some(Message::Waiting(pid)), Some(await_body)) => await_body(&self, plan, pid),
            (Some(Message::Failed(pid, error)), _) => {
                await_end(pid);
                Err(error)
            }
            _ => Err(died()),
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
    pub(crate) fn await_body(&self, plan: &Plan, pid: Pid) -> Result<Pid> {
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
            let ended = daemon.end(plan.keys.stop_signal, plan.keys.stop_timeout);
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
    fn until_ready(&self, plan: &Plan, daemon: &Holder) -> Result<Pid> {
        let patience = plan.keys.wait_ready.unwrap_or_default();
        let deadline = now().checked_add(patience);
        let told = self.channel.send(&[Verdict::GoOn as u8]);
        told.map_err(|errno| Error::os(format_args!("cannot let the daemon go on"), errno))?;
        let woken = daemon.wait(Some(self.channel.as_fd()), deadline)?;
        let has_message = woken == Woken::Readable || woken == Woken::Gone && self.is_readable();
        match has_message.then(|| self.next_message()).flatten() {
            Some(Message::Ready(pid)) => Ok(pid),
            Some(Message::Failed(_, error)) => Err(error),
            _ if woken == Woken::Late => {
                Err(Error::failed(format_args!("not ready after {}", Span(patience))))
            }
            _ => Err(died()),
        }
    }

    fn next_message(&self) -> Option<Message> {
        Message::receive(&self.channel)
    }

    fn is_readable(&self) -> bool {
        sys::await_input([Some(self.channel.as_fd()), None], Some(Duration::ZERO)) == Ok([true, false])
    }

    /// Has a daemon give up that waits for a word, and waits until it has.
    fn send_away(&self) {
        if self.channel.send(&[Verdict::GiveUp as u8]).is_ok() {
            while self.next_message().is_some() {}
        }
    }
}

fn died() -> Error {
    Error::failed(format_args!("the daemon died before it was ready"))
}

/// Waits until a process that has failed is gone, so that nothing is left when the launcher says so.
fn await_end(pid: Pid) {
    let Ok(process) = PidFd::open(pid) else { return };
    let patience = Some(Duration::from_secs(1));
    while sys::await_input([Some(process.as_fd()), None], patience) == Err(Errno::EINTR) {}
    reap_orphan(pid);
}
