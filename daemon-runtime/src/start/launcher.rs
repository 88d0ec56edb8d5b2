//! The launcher, which waits until the daemon is ready.
//!
//! The launcher relies on the daemon's messages. If the channel ends without one, the daemon is dead: before the body
//! is called, only the daemon has its end open. Afterwards the body's children may have it open too. So with
//! `wait_ready`, `wait_alive` or `setup`, the daemon first waits until the launcher has pinned it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::command::duration::Span;
use crate::command::error::{Error, Result};
use crate::life::readiness::{Message, Verdict};
use crate::lock::holder::{Holder, WakeReason};
use crate::lock::pidfile::Pidfile;
use crate::lock::removal::Evidence;
use crate::progress::End;
use crate::settings::{Plan, Wait};
use crate::sys::clock::now;
use crate::sys::descriptor::{is_readable, wait_readable};
use crate::sys::interrupted::uninterrupted;
use crate::sys::pidfd::PidFd;

/// The launcher's side of a start.
pub(crate) struct Launcher {
    first_child: Pid,
    channel: UnixStream,
    has_begun: bool,
}

impl Launcher {
    pub(crate) fn new(first_child: Pid, channel: UnixStream) -> Self {
        Self { first_child, channel, has_begun: false }
    }

    /// Waits until the daemon is ready, and returns its PID.
    ///
    /// # Errors
    ///
    /// Fails if the daemon has failed. Nothing of the daemon is then left.
    pub(crate) fn wait(&mut self, pidfile: &Pidfile, plan: &Plan<'_>) -> Result<Pid> {
        let set_up = format_args!("the daemon to be set up");
        plan.progress.wait_for(set_up, End::By(None)).until_readable(self.channel.as_fd());
        let outcome = match self.next_message() {
            Some(Message::Ready(pid)) => {
                self.has_begun = true;
                Ok(pid)
            }
            Some(Message::Waiting(pid)) => self.await_body(pidfile, plan, pid),
            Some(Message::Failed(pid, error)) => {
                self.await_end(pid);
                Err(error)
            }
            // The other messages are a supervised body's.
            _ => Err(died()),
        };
        if outcome.as_ref().is_err_and(|error| !error.is_held_by_daemon()) {
            // A daemon that was killed, or that could no longer reach the path, has left the file.
            pidfile.remove_after_failed_start();
        }
        // The first child only has to exit. A caller that ignores SIGCHLD, or reaps every child, may have reaped it
        // already.
        let _ = uninterrupted(|| waitpid(self.first_child, None));
        outcome
    }

    /// Returns whether the daemon may have called the body.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Lets the body begin once the daemon is pinned, and waits for the body's report. A failure here ends the daemon.
    fn await_body(&mut self, pidfile: &Pidfile, plan: &Plan<'_>, pid: Pid) -> Result<Pid> {
        // The daemon waits for our verdict, and only it has its end of the channel open. So if that end is still open
        // once the process is pinned, the process is the daemon.
        let daemon = match Holder::of_child(pid, pidfile) {
            Ok(daemon) if !is_readable(self.channel.as_fd()) => daemon,
            Ok(_) => return Err(died()),
            Err(error) => {
                self.send_away();
                return Err(error);
            }
        };
        self.until_ready(plan, &daemon).inspect_err(|_| {
            if daemon.end(plan.settings.stop_signal, plan).is_err() {
                let _ = daemon.signal(Signal::SIGKILL);
                pidfile.await_release(pid);
            }
            reap_orphan(pid);
            let _ = pidfile.remove_stale(Evidence::SeenToEnd);
        })
    }

    /// Waits for the body's report, at most as long as `wait_ready` or `wait_alive` says. A child that the body has
    /// forked may keep the channel open after the daemon's death, so the daemon itself is watched too.
    fn until_ready(&mut self, plan: &Plan<'_>, daemon: &Holder) -> Result<Pid> {
        // Without a key, the daemon reports once its setup is done.
        let wait = plan.settings.wait().unwrap_or(Wait::Ready(Duration::MAX));
        let (Wait::Ready(timeout) | Wait::Alive(timeout)) = wait;
        let deadline = now().checked_add(timeout);
        Verdict::GoOn
            .send(&self.channel)
            .map_err(|error| Error::io(format_args!("cannot let the daemon go on"), &error))?;
        self.has_begun = true;
        let channel = self.channel.as_fd();
        let what = match plan.settings.wait() {
            None => "be set up",
            Some(Wait::Ready(_)) => "be ready",
            Some(Wait::Alive(_)) => "stay alive",
        };
        let mut waiting =
            plan.progress.wait_for(format_args!("pid {} to {what}", daemon.pid()), End::By(deadline));
        let mut woken = daemon.wait(Some(channel), deadline, &mut waiting)?;
        if woken == WakeReason::TimedOut && matches!(wait, Wait::Alive(_)) {
            // The daemon lives on without its launcher.
            if Verdict::Release.send(&self.channel).is_ok() {
                return Ok(daemon.pid());
            }
            // The daemon has just begun to end, and is about to report why.
            woken = daemon.wait(Some(channel), None, &mut waiting)?;
        }
        let has_message = woken == WakeReason::Readable || woken == WakeReason::Gone && is_readable(channel);
        match has_message.then(|| self.next_message()).flatten() {
            Some(Message::Ready(pid)) => Ok(pid),
            Some(Message::Failed(_, error)) => Err(error),
            None if woken == WakeReason::TimedOut => Err(Error::failed(format_args!(
                "not ready after {}: the body has not called Context::ready()",
                Span(timeout)
            ))),
            _ => Err(died()),
        }
    }

    fn next_message(&self) -> Option<Message> {
        Message::receive(&self.channel)
    }

    /// Waits until a daemon that has failed is gone, so that nothing is left when the launcher reports the failure.
    ///
    /// Without a pidfd, it waits for the end of the channel: the body was not called, so only the daemon has that end
    /// open.
    fn await_end(&self, pid: Pid) {
        const LONGEST: Duration = Duration::from_secs(1);
        let process = PidFd::open(pid).ok();
        let end = process.as_ref().map_or(self.channel.as_fd(), AsFd::as_fd);
        let _ = uninterrupted(|| wait_readable([Some(end)], Some(LONGEST)));
        reap_orphan(pid);
    }

    /// Makes a daemon that waits for a verdict give up, and waits until it has.
    fn send_away(&self) {
        if Verdict::GiveUp.send(&self.channel).is_ok() {
            while self.next_message().is_some() {}
        }
    }
}

fn died() -> Error {
    Error::failed(format_args!("the daemon died before it was ready"))
}

/// Reaps a daemon that has failed, if this process adopts orphans: process 1 of a PID namespace, or a subreaper
/// (prctl(2)).
fn reap_orphan(daemon: Pid) {
    let _ = waitpid(daemon, Some(WaitPidFlag::WNOHANG));
}
