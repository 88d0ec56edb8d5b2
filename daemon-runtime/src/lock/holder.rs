//! The process that holds a pidfile's lock: pinning it, signalling it, waiting for its end.
//!
//! Before the signal is sent, the process that the kernel has named may end, and its PID may go to an innocent process.
//! So the process is first pinned by a [pidfd](https://man7.org/linux/man-pages/man2/pidfd_open.2.html), and then
//! checked to have the lock: if so, the pidfd refers to the daemon. `/proc` answers the check for certain. Without
//! `/proc`, the kernel is asked again.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{self, kill};
use nix::unistd::Pid;

use crate::command::duration::Span;
use crate::command::error::{Error, Result};
use crate::command::signal::Signal;
use crate::lock::bytes::{Locks, Published};
use crate::lock::look::Look;
use crate::lock::pidfile::Pidfile;
use crate::lock::retry::Retry;
use crate::progress::{End, Waiting};
use crate::settings::{KILL_TIMEOUT, Plan};
use crate::sys::clock::now;
use crate::sys::descriptor::{is_readable, wait_readable};
use crate::sys::interrupted::uninterrupted;
use crate::sys::pidfd::PidFd;
use crate::sys::procfs::{self, Status};

/// The process that holds the lock.
pub(crate) struct Holder {
    pid: Pid,
    process: Process,
}

enum Process {
    /// This process, or its supervisor.
    Own,
    /// A process that is known without the lock: a daemon that this process has just forked, or the body of a
    /// supervisor.
    Child(PidFd),
    /// Another process. Without a pidfd, `kill` and the lock are used.
    Other(Option<PidFd>, Look),
}

/// The reason why a wait for a process has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WakeReason {
    Readable,
    Gone,
    TimedOut,
}

/// The effect of a signal on a process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The process ignores it.
    Ignored,
    /// The process has a handler for it, or takes it later.
    Taken,
    /// Its default action, since there is no handler, or none yet.
    Default,
}

/// The pause between two looks at a process that has no pidfd.
const PAUSE: Duration = Duration::from_millis(5);

impl Holder {
    /// Finds the process that holds the lock, and pins it.
    pub(crate) fn find(pidfile: &Pidfile) -> Result<Option<Self>> {
        let mut retry = Retry::default();
        loop {
            let look = pidfile.look()?;
            let Some(pid) = look.holder() else { return Ok(None) };
            if look.is_own() {
                return Ok(Some(Self { pid, process: Process::Own }));
            }
            if let Some(process) = Self::pin(pid, look, pidfile)? {
                return Ok(Some(Self { pid, process }));
            }
            // The holder has ended since we asked, and may have left the lock to another process.
            if retry.is_over() {
                return Err(Error::holder_unknown(pidfile.path()));
            }
        }
    }

    /// Pins a process, and checks that it has the lock and is not another program's.
    fn pin(pid: Pid, look: Look, pidfile: &Pidfile) -> Result<Option<Process>> {
        let pinned = match PidFd::open(pid) {
            Ok(process) => Some(process),
            // The process is gone. Its number may belong to a thread by now, which is EINVAL or ENOENT.
            Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => return Ok(None),
            Err(errno) if has_no_pidfds(errno) => None,
            Err(errno) => return Err(cannot_watch(pid, errno)),
        };
        let other_program = pidfile.other_program(pid);
        let has_lock = look.has_lock(pid, look.confirms(pid));
        let has_lock =
            has_lock.map_err(|errno| Error::os(format_args!("cannot query the lock of pid {pid}"), errno))?;
        match other_program {
            _ if !has_lock => Ok(None),
            Some(program) => Err(Error::other_program(pidfile.path(), &program, pid)),
            None => Ok(Some(Process::Other(pinned, look))),
        }
    }

    /// Pins a child that is known to be alive and to be the daemon.
    pub(crate) fn of_child(pid: Pid, pidfile: &Pidfile) -> Result<Self> {
        match PidFd::open(pid) {
            Ok(process) => Ok(Self { pid, process: Process::Child(process) }),
            Err(errno) if has_no_pidfds(errno) => Self::find(pidfile)?
                .filter(|holder| holder.pid == pid)
                .ok_or_else(|| Error::holder_unknown(pidfile.path())),
            Err(errno) => Err(cannot_watch(pid, errno)),
        }
    }

    /// Pins the process of the body that this supervisor has reported. Returns `None` if it is gone.
    pub(crate) fn body(&self, pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.try_into().ok()?);
        let process = PidFd::open(pid).ok()?;
        (procfs::parent(pid)? == self.pid).then_some(Self { pid, process: Process::Child(process) })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self.process, Process::Own)
    }

    /// Returns what the process publishes about its readiness.
    pub(crate) fn published(&self) -> Result<Option<Published>> {
        let Process::Other(_, look) = &self.process else { return Ok(None) };
        look.published(self.pid)
            .map_err(|errno| Error::os(format_args!("cannot query the lock of pid {}", self.pid), errno))
    }

    /// Returns the number of the socket on which a process of this daemon takes calls.
    pub(crate) fn calls(&self, process: Pid) -> Result<Option<i32>> {
        let Process::Other(_, look) = &self.process else { return Ok(None) };
        look.calls(process)
            .map_err(|errno| Error::os(format_args!("cannot query the lock of pid {process}"), errno))
    }

    /// Returns whether the process has the lock now.
    pub(crate) fn still_holds(&self) -> Result<bool> {
        let Process::Other(_, look) = &self.process else { return Ok(!self.has_ended()) };
        look.is_still_held_by(self.pid)
            .map_err(|errno| Error::os(format_args!("cannot query the lock of pid {}", self.pid), errno))
    }

    /// Returns whether the process is seen to have ended. Without a pidfd, the lock decides.
    pub(crate) fn has_ended(&self) -> bool {
        match self.pinned() {
            Some(process) => is_readable(process.as_fd()),
            None => self.seems_gone().unwrap_or(false),
        }
    }

    fn pinned(&self) -> Option<&PidFd> {
        match &self.process {
            Process::Child(process) | Process::Other(Some(process), _) => Some(process),
            Process::Own | Process::Other(None, _) => None,
        }
    }

    /// Returns what a signal does to the process, as far as `/proc` reports it.
    pub(crate) fn effect_of(&self, signal: signal::Signal) -> Effect {
        let Some(status) = Status::read(self.pid) else { return Effect::Taken };
        let has = |set: Option<u64>| set.is_none_or(|set| procfs::has_signal(set, signal as i32));
        // What only the first thread blocks, another one gets.
        let is_blocked = has(status.blocked) && status.threads.is_none_or(|threads| threads == 1);
        match status.ignored {
            Some(ignored) if procfs::has_signal(ignored, signal as i32) => Effect::Ignored,
            _ if has(status.caught) || is_blocked => Effect::Taken,
            _ => Effect::Default,
        }
    }

    /// Returns whether the process has a handler for a signal, as far as `/proc` reports it.
    pub(crate) fn catches(&self, signal: signal::Signal) -> bool {
        let caught = Status::read(self.pid).and_then(|status| status.caught);
        caught.is_some_and(|caught| procfs::has_signal(caught, signal as i32))
    }

    /// Returns the signal that stops this process: the given one, or SIGTERM if the process has no handler for the
    /// given one. An earlier version of the program may have another `stop_signal`, but every daemon handles SIGTERM.
    pub(crate) fn stop_signal(&self, given: Signal) -> Signal {
        if given == Signal::SIGTERM {
            return given;
        }
        let Some(status) = Status::read(self.pid) else { return given };
        let has = |set: Option<u64>| set.is_none_or(|set| procfs::has_signal(set, given.raw() as i32));
        if has(status.caught) || has(status.blocked) { given } else { Signal::SIGTERM }
    }

    /// Sends a signal. A daemon that has just ended needs none.
    pub(crate) fn signal(&self, signal: signal::Signal) -> Result<()> {
        let sent = match self.pinned().map(|process| process.signal(signal)) {
            None => self.kill(signal),
            // Refused by a filter, or because the process is another user's. In the second case `kill` is refused too.
            Some(Err(errno)) if has_no_pidfds(errno) => self.kill(signal),
            Some(sent) => sent,
        };
        match sent {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::os(format_args!("cannot signal pid {}", self.pid), errno)),
        }
    }

    fn kill(&self, signal: signal::Signal) -> nix::Result<()> {
        let is_holder = match &self.process {
            Process::Own => true,
            Process::Child(process) => !is_readable(process.as_fd()),
            Process::Other(_, look) => look.is_still_held_by(self.pid)?,
        };
        if is_holder { kill(self.pid, signal) } else { Ok(()) }
    }

    /// Sends the stop signal, waits until the process is gone, and kills it if it is still there after `stop_timeout`.
    /// A supervisor gets some grace beyond that, to kill its body itself. Returns whether the process or its body was
    /// killed.
    pub(crate) fn end(&self, stop_signal: Signal, plan: &Plan<'_>) -> Result<bool> {
        let (timeout, grace) = (plan.settings.stop_timeout, plan.settings.grace());
        // A supervisor counts from when it gets the signal, and may kill its body while this process still sleeps.
        let deadline = now().checked_add(timeout);
        self.signal(stop_signal.raw())?;
        let progress = &plan.progress;
        let is_gone_within = |timeout| {
            let deadline = now().checked_add(timeout);
            let mut waiting =
                progress.wait_for(format_args!("pid {} to exit", self.pid), End::Kill(deadline));
            Ok::<_, Error>(self.wait(None, deadline, &mut waiting)? == WakeReason::Gone)
        };
        if is_gone_within(timeout)? {
            return Ok(!grace.is_zero() && deadline.is_some_and(|deadline| now() >= deadline));
        }
        if !grace.is_zero() && is_gone_within(grace)? {
            return Ok(true);
        }
        self.signal(signal::Signal::SIGKILL)?;
        let deadline = now().checked_add(KILL_TIMEOUT);
        let mut waiting =
            progress.wait_for(format_args!("pid {} to be gone after SIGKILL", self.pid), End::By(deadline));
        if self.wait(None, deadline, &mut waiting)? == WakeReason::Gone {
            return Ok(true);
        }
        let waited = Span(KILL_TIMEOUT);
        Err(Error::failed(format_args!("pid {} is still there {waited} after SIGKILL", self.pid)))
    }

    /// Sleeps until the process is gone, there is something to read, or the monotonic clock has reached the deadline.
    pub(crate) fn wait(
        &self,
        input: Option<BorrowedFd<'_>>,
        deadline: Option<Duration>,
        waiting: &mut Waiting<'_>,
    ) -> Result<WakeReason> {
        let cannot = |errno| Error::os(format_args!("cannot wait for pid {}", self.pid), errno);
        let process = self.pinned().map(AsFd::as_fd);
        let pause = if process.is_none() { Some(PAUSE) } else { None };
        loop {
            let left = || deadline.map(|deadline| deadline.saturating_sub(now()));
            let tick = waiting.tick();
            let timeout = || [left(), pause, tick].into_iter().flatten().min();
            let [is_readable, has_ended] =
                uninterrupted(|| wait_readable([input, process], timeout())).map_err(cannot)?;
            if is_readable {
                return Ok(WakeReason::Readable);
            }
            if has_ended || process.is_none() && self.seems_gone().map_err(cannot)? {
                return Ok(WakeReason::Gone);
            }
            if left().is_some_and(|left| left.is_zero()) {
                return Ok(WakeReason::TimedOut);
            }
        }
    }

    /// Returns whether a process without a pidfd is gone: by its locks, and by its PID if a child of its body still has
    /// byte 2.
    fn seems_gone(&self) -> nix::Result<bool> {
        let Process::Other(_, look) = &self.process else { return Ok(false) };
        Ok(match look.query_again()? {
            Locks::HeldBy(pid) => pid != self.pid,
            Locks::HeldByUnknown => kill(self.pid, None) == Err(Errno::ESRCH),
            Locks::Free => true,
        })
    }
}

/// Returns whether a refused call means that there are no pidfds: an old kernel, or a container's filter, which may
/// answer as if permission were missing.
fn has_no_pidfds(errno: Errno) -> bool {
    matches!(errno, Errno::ENOSYS | Errno::EPERM | Errno::EACCES)
}

fn cannot_watch(pid: Pid, errno: Errno) -> Error {
    Error::os(format_args!("cannot watch pid {pid}"), errno)
}
