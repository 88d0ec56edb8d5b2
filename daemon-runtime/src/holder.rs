//! The process that holds a pidfile's lock, and no other: finding it, signalling it, watching it end.
//!
//! Between asking who holds the lock and sending a signal, the holder may end and its PID may go to an
//! innocent process. So the process is pinned by a
//! [pidfd](https://man7.org/linux/man-pages/man2/pidfd_open.2.html) first, and the lock is asked again:
//! if the same PID still holds it, the descriptor is the daemon's.

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal as Number, kill};
use nix::unistd::{Pid, getpid};

use crate::error::{Error, Result};
use crate::pidfile::{Look, Pidfile, Presence};
use crate::signals::Signal;
use crate::sys::{PidFd, Sys};

/// The process that holds the lock, pinned.
pub(crate) struct Holder {
    pid: Pid,
    process: Process,
    look: Look,
}

#[derive(Debug)]
enum Process {
    Pinned(PidFd),
    /// Where the system has no pidfd: as close to the truth as `kill` and the lock come.
    Bare,
}

/// Why a wait for a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        loop {
            let look = pidfile.look()?;
            let pid = match look.presence {
                Presence::Nobody | Presence::Stale => return Ok(None),
                Presence::Unnamed => return Err(Error::unnamed(pidfile.path())),
                Presence::Own => return Ok(Some(Self { pid: getpid(), process: Process::Bare, look })),
                Presence::Holder(pid) => pid,
            };
            let process = match PidFd::open(pid) {
                Ok(process) => Process::Pinned(process),
                // Gone since we asked.
                Err(Errno::ESRCH) => continue,
                // No such call: an old kernel, or a container's filter.
                Err(Errno::ENOSYS | Errno::EPERM) => Process::Bare,
                Err(errno) => return Err(Error::os(format!("cannot watch pid {pid}"), errno)),
            };
            let holder = Self { pid, process, look };
            if holder.holds_on()? {
                return Ok(Some(holder));
            }
        }
    }

    fn holds_on(&self) -> Result<bool> {
        let cannot = |errno| Error::os(format!("cannot ask for the lock of pid {}", self.pid), errno);
        self.look.is_still_held_by(self.pid).map_err(cannot)
    }

    /// Sends a signal; a daemon that has just ended needs none.
    pub(crate) fn signal(&self, signal: c_int) -> Result<()> {
        let sent = match &self.process {
            Process::Pinned(process) => process.signal(signal),
            Process::Bare => self.kill(signal),
        };
        match sent {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::os(format!("cannot signal pid {}", self.pid), errno)),
        }
    }

    fn kill(&self, signal: c_int) -> Sys<()> {
        if self.pid == getpid() || self.look.is_still_held_by(self.pid)? {
            kill(self.pid, Number::try_from(signal)?)?;
        }
        Ok(())
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
        Err(Error::failed(format!("pid {} is still there {LAST_WAIT:?} after SIGKILL", self.pid)))
    }

    fn is_gone_within(&self, timeout: Duration) -> Result<bool> {
        Ok(self.wait(None, Instant::now().checked_add(timeout))? == Woken::Gone)
    }

    /// Sleeps until the process is gone, there is something to read from the pipe, or the deadline has come.
    pub(crate) fn wait(&self, pipe: Option<BorrowedFd<'_>>, deadline: Option<Instant>) -> Result<Woken> {
        let process = match &self.process {
            Process::Pinned(process) => Some(process.as_fd()),
            Process::Bare => None,
        };
        let mut fds: Vec<_> =
            pipe.into_iter().chain(process).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = if process.is_none() { Some(GLANCE) } else { None };
            match poll(&mut fds, poll_timeout([left, pause].into_iter().flatten().min())) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os(format!("cannot wait for pid {}", self.pid), errno)),
            }
            let is_up = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
            if pipe.is_some() && is_up(&fds[0]) {
                return Ok(Woken::Readable);
            }
            let gone = if process.is_some() { fds.last().is_some_and(is_up) } else { !self.holds_on()? };
            if gone {
                return Ok(Woken::Gone);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Woken::Late);
            }
        }
    }
}

/// Rounds up to what `poll` takes, so that it doesn't return just before the deadline.
fn poll_timeout(left: Option<Duration>) -> PollTimeout {
    let left = left.map(|left| left.as_micros().div_ceil(1000));
    left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
}
