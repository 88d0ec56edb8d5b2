//! The process that holds a pidfile's lock, and no other: finding it, signalling it, watching it end.
//!
//! Between asking who holds the lock and sending a signal, the holder may end and its PID may go to an
//! innocent process. So the process is pinned by a
//! [pidfd](https://man7.org/linux/man-pages/man2/pidfd_open.2.html) first, and only then it is asked whether
//! that very process has the lock: then the descriptor is the daemon's. `/proc` tells it for certain; where it
//! doesn't, the lock is asked again whether it still has the same holder.

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use crate::error::{Error, Result};
use crate::pidfile::{Look, Patience, Pidfile, Presence};
use crate::signals::Signal;
use crate::span::Span;
use crate::sys::{self, Pid, PidFd, Sys, getpid, now};

/// The process that holds the lock.
pub(crate) struct Holder {
    pid: Pid,
    process: Process,
}

enum Process {
    /// This one.
    Own,
    /// A daemon that this process has just forked.
    Child(PidFd),
    /// Somebody's. Where the system has no pidfd: as close to the truth as `kill` and the lock come.
    Other(Option<PidFd>, Look),
}

/// Why a wait for a process has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    Readable,
    Gone,
    Late,
}

/// How long a process may take to go after SIGKILL: it does unless the kernel is stuck in its name.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How often a process is looked at that can't be watched.
const GLANCE: Duration = Duration::from_millis(5);

impl Holder {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Finds who holds the lock, and pins it; none if nobody does.
    pub(crate) fn find(pidfile: &Pidfile) -> Result<Option<Self>> {
        let mut patience = Patience::default();
        loop {
            let look = pidfile.look()?;
            let pid = match look.presence {
                Presence::Nobody | Presence::Stale => return Ok(None),
                Presence::Unnamed => return Err(Error::unnamed(pidfile.path())),
                Presence::Own => return Ok(Some(Self { pid: getpid(), process: Process::Own })),
                Presence::Holder(pid) => pid,
            };
            if let Some(process) = Self::pin(pid, look)? {
                return Ok(Some(Self { pid, process }));
            }
            // Gone since we asked; or who took the lock is gone and has left it to another.
            if patience.is_over() {
                return Err(Error::unnamed(pidfile.path()));
            }
        }
    }

    /// Opens a process, and sees that it is the one that has the lock.
    fn pin(pid: Pid, look: Look) -> Result<Option<Process>> {
        let pinned = match PidFd::open(pid) {
            Ok(process) => Some(process),
            Err(Errno::ESRCH) => return Ok(None),
            // No such call: an old kernel, or a container's filter.
            Err(Errno::ENOSYS | Errno::EPERM) => None,
            Err(errno) => return Err(Error::os(format_args!("cannot watch pid {pid}"), errno)),
        };
        let cannot = |errno| Error::os(format_args!("cannot ask for the lock of pid {pid}"), errno);
        let is_it = match look.names_the_right(pid) {
            Some(is_it) => is_it,
            None => look.is_still_held_by(pid).map_err(cannot)?,
        };
        Ok(is_it.then_some(Process::Other(pinned, look)))
    }

    /// Takes a process that is known to be alive and whose it is, by its number.
    pub(crate) fn of_child(pid: Pid, pidfile: &Pidfile) -> Result<Self> {
        match PidFd::open(pid) {
            Ok(process) => Ok(Self { pid, process: Process::Child(process) }),
            Err(Errno::ENOSYS) => Self::find(pidfile)?
                .filter(|holder| holder.pid == pid)
                .ok_or_else(|| Error::unnamed(pidfile.path())),
            Err(errno) => Err(Error::os(format_args!("cannot watch pid {pid}"), errno)),
        }
    }

    fn pinned(&self) -> Option<&PidFd> {
        match &self.process {
            Process::Child(process) | Process::Other(Some(process), _) => Some(process),
            Process::Own | Process::Other(None, _) => None,
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self.process, Process::Own)
    }

    /// Sends a signal; a daemon that has just ended needs none.
    pub(crate) fn signal(&self, signal: c_int) -> Result<()> {
        let sent = match self.pinned().map(|process| process.signal(signal)) {
            None | Some(Err(Errno::ENOSYS)) => self.kill(signal),
            Some(sent) => sent,
        };
        match sent {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::os(format_args!("cannot signal pid {}", self.pid), errno)),
        }
    }

    fn kill(&self, signal: c_int) -> Sys<()> {
        let is_it = match &self.process {
            Process::Own | Process::Child(_) => true,
            Process::Other(_, look) => look.is_still_held_by(self.pid)?,
        };
        if is_it { sys::kill(self.pid, signal) } else { Ok(()) }
    }

    /// Tells whether a process that can't be watched is gone: by its locks, and by its number if a child of
    /// its body still has the one on byte 2.
    fn seems_gone(&self) -> Sys<bool> {
        let Process::Other(_, look) = &self.process else { return Ok(false) };
        Ok(match look.now()? {
            Presence::Holder(pid) => pid != self.pid,
            Presence::Unnamed => sys::kill(self.pid, 0) == Err(Errno::ESRCH),
            _ => true,
        })
    }

    /// Sends a signal, waits until the process is gone, and kills it if it is still there after `timeout`;
    /// tells whether that was needed.
    pub(crate) fn end(&self, signal: Signal, timeout: Duration) -> Result<bool> {
        self.signal(signal.number())?;
        if self.is_gone_within(timeout)? {
            return Ok(false);
        }
        self.signal(libc::SIGKILL)?;
        if self.is_gone_within(LAST_WAIT)? {
            return Ok(true);
        }
        let waited = Span(LAST_WAIT);
        Err(Error::failed(format_args!("pid {} is still there {waited} after SIGKILL", self.pid)))
    }

    fn is_gone_within(&self, timeout: Duration) -> Result<bool> {
        Ok(self.wait(None, now().checked_add(timeout))? == Woken::Gone)
    }

    /// Sleeps until the process is gone, there is something to read, or the monotonic clock has come to the deadline.
    pub(crate) fn wait(&self, input: Option<BorrowedFd<'_>>, deadline: Option<Duration>) -> Result<Woken> {
        let cannot = |errno| Error::os(format_args!("cannot wait for pid {}", self.pid), errno);
        let process = self.pinned().map(AsFd::as_fd);
        let pause = if process.is_none() { Some(GLANCE) } else { None };
        loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(now()));
            let patience = [left, pause].into_iter().flatten().min();
            let [is_readable, has_ended] = match sys::await_input([input, process], patience) {
                Err(Errno::EINTR) => continue,
                awaited => awaited.map_err(cannot)?,
            };
            if is_readable {
                return Ok(Woken::Readable);
            }
            if has_ended || process.is_none() && self.seems_gone().map_err(cannot)? {
                return Ok(Woken::Gone);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Woken::Late);
            }
        }
    }
}
