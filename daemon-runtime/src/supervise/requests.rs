//! The signals by which a supervisor is asked for something.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};

use crate::sys::sigaction;
use crate::sys::signal_queue::SignalQueue;

/// A request to the supervisor, made by a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// A child has ended.
    Reap,
    Reload,
    Stop(Signal),
    /// A signal that concerns only the body.
    PassOn(Signal),
}

/// The requests that have arrived. Their signals are blocked, so no handler of the program runs in the supervisor.
pub(crate) struct Requests {
    queue: SignalQueue,
    stop_signal: Signal,
}

/// The signals that are not queued.
///
/// Some cannot be blocked, or report a fault of the supervisor itself. Some stop or continue a shell's job, which
/// includes the supervisor. The others concern the supervisor's own descriptors and limits.
const NOT_QUEUED: [Signal; 18] = [
    Signal::SIGKILL,
    Signal::SIGSTOP,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGCONT,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGPIPE,
    Signal::SIGIO,
    Signal::SIGURG,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGPROF,
];

/// The signals of a shell's job control.
const JOB_CONTROL: [Signal; 4] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGCONT];

impl Requests {
    /// Begins to queue the requests. All signals must be blocked.
    pub(crate) fn new(stop_signal: Signal) -> nix::Result<Self> {
        let queued: SigSet = Signal::iterator().filter(|signal| !NOT_QUEUED.contains(signal)).collect();
        let queue = SignalQueue::new(&queued)?;
        JOB_CONTROL.into_iter().collect::<SigSet>().thread_unblock()?;
        Ok(Self { queue, stop_signal })
    }

    /// Takes the next request, if there is one. SIGINT, SIGQUIT and SIGHUP do not count as requests if the daemon's
    /// caller ignores them.
    pub(crate) fn take(&self) -> Option<Request> {
        loop {
            let signal = self.queue.take()?;
            let is_ignored = || sigaction::is_ignored(signal as i32);
            return Some(match signal {
                Signal::SIGCHLD => Request::Reap,
                _ if self.is_stop(signal) => Request::Stop(signal),
                Signal::SIGINT | Signal::SIGQUIT | Signal::SIGHUP if is_ignored() => continue,
                Signal::SIGINT | Signal::SIGQUIT | Signal::SIGABRT => Request::Stop(signal),
                Signal::SIGHUP => Request::Reload,
                other => Request::PassOn(other),
            });
        }
    }

    fn is_stop(&self, signal: Signal) -> bool {
        signal == Signal::SIGTERM || signal == self.stop_signal
    }

    /// Returns whether the signal that has ended a body was a stop, and not a failure.
    pub(crate) fn is_stop_of_body(&self, signal: i32) -> bool {
        signal == Signal::SIGINT as i32
            || [Signal::SIGTERM, self.stop_signal].map(|stop| stop as i32).contains(&signal)
    }
}

impl AsFd for Requests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
