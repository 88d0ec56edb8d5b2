//! Signalling the daemon, and only the daemon: stop with its escalation, and reload.
//!
//! Between asking who holds the lock and sending a signal, the holder may end and its PID may go to an
//! innocent process. So the process is pinned by a
//! [pidfd](https://man7.org/linux/man-pages/man2/pidfd_open.2.html) first, and the lock is asked again:
//! if the same PID still holds it, the descriptor is the daemon's.

use std::ffi::c_int;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal as Number, kill};
use nix::unistd::{Pid, getpid};

use crate::error::{Error, Kind, Result};
use crate::pidfile::{Look, Pidfile, Presence};
use crate::signals::Signal;
use crate::sys::{PidFd, Sys};

/// How a stop has come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    NotRunning,
    Gone(u32),
    Killed(u32),
}

/// How long a process may take to go after SIGKILL: it does unless the kernel is stuck in its name.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Signals the daemon, waits until it is gone, and kills it if it is still there after `timeout`.
pub(crate) fn stop(pidfile: &Pidfile, signal: Signal, timeout: Duration) -> Result<Stopped> {
    let Some(daemon) = Holder::find(pidfile)? else {
        // What can't be removed isn't running either.
        let _ = pidfile.remove_stale(false);
        return Ok(Stopped::NotRunning);
    };
    let pid = daemon.pid.as_raw().unsigned_abs();
    if daemon.pid == getpid() {
        return Err(Error::failed(
            "this is the daemon itself; return from its body, which can take a `Context` to hear of a stop",
        ));
    }
    daemon.signal(signal.number())?;
    let mut stopped = Stopped::Gone(pid);
    if !daemon.is_gone_within(timeout)? {
        daemon.signal(libc::SIGKILL)?;
        stopped = Stopped::Killed(pid);
        if !daemon.is_gone_within(LAST_WAIT)? {
            return Err(Error::failed(format!("pid {pid} is still there {LAST_WAIT:?} after SIGKILL")));
        }
    }
    // It has removed the file itself, if it could; who can't do it here leaves a stale one.
    let _ = pidfile.remove_stale(true);
    Ok(stopped)
}

/// Sends SIGHUP to the daemon, which reopens its logs by it.
pub(crate) fn reload(pidfile: &Pidfile) -> Result<u32> {
    let daemon = Holder::find(pidfile)?.ok_or_else(|| Error::new(Kind::NotRunning, ""))?;
    daemon.signal(libc::SIGHUP)?;
    Ok(daemon.pid.as_raw().unsigned_abs())
}

/// The process that holds the lock, pinned.
struct Holder {
    pid: Pid,
    process: Process,
    look: Look,
}

enum Process {
    Pinned(PidFd),
    /// Where the system has no pidfd: as close to the truth as `kill` and the lock come.
    Bare,
}

impl Holder {
    fn find(pidfile: &Pidfile) -> Result<Option<Self>> {
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
    fn signal(&self, signal: c_int) -> Result<()> {
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

    /// Sleeps until the process is gone, or for this long.
    fn is_gone_within(&self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match &self.process {
            Process::Pinned(process) => loop {
                let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, poll_timeout(left())) {
                    Ok(0) if left().is_some_and(|left| left.is_zero()) => return Ok(false),
                    Ok(0) | Err(Errno::EINTR) => {}
                    Ok(_) => return Ok(true),
                    Err(errno) => return Err(Error::os(format!("cannot wait for pid {}", self.pid), errno)),
                }
            },
            Process::Bare => loop {
                match (self.holds_on()?, left()) {
                    (false, _) => return Ok(true),
                    (true, Some(Duration::ZERO)) => return Ok(false),
                    (true, _) => sleep(Duration::from_millis(5)),
                }
            },
        }
    }
}

/// Rounds up to what `poll` takes, so that it doesn't return just before the deadline.
fn poll_timeout(left: Option<Duration>) -> PollTimeout {
    let left = left.map(|left| left.as_micros().div_ceil(1000));
    left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))
}
