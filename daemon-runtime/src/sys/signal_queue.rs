//! A descriptor from which blocked signals are read ([signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html)).

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};

#[cfg(target_os = "linux")]
use linux::Queue;
#[cfg(not(target_os = "linux"))]
use unknown::Queue;

/// The signals of a set that were sent to this process, which must have them blocked.
pub(crate) struct SignalQueue(Queue);

impl SignalQueue {
    /// Makes a queue that never blocks.
    pub(crate) fn new(signals: &SigSet) -> nix::Result<Self> {
        Queue::new(signals).map(Self)
    }

    /// Takes the next signal, if there is one.
    pub(crate) fn take(&self) -> Option<Signal> {
        self.0.take()
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, BorrowedFd};

    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};

    use crate::sys::interrupted::uninterrupted;

    pub(super) struct Queue(SignalFd);

    impl Queue {
        pub(super) fn new(signals: &SigSet) -> nix::Result<Self> {
            SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map(Self)
        }

        pub(super) fn take(&self) -> Option<Signal> {
            let received = uninterrupted(|| self.0.read_signal()).ok().flatten()?;
            i32::try_from(received.ssi_signo).ok()?.try_into().ok()
        }
    }

    impl AsFd for Queue {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

/// Other systems have no such descriptor.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::os::fd::{AsFd, BorrowedFd};

    use nix::errno::Errno;
    use nix::sys::signal::{SigSet, Signal};

    pub(super) enum Queue {}

    impl Queue {
        pub(super) fn new(_: &SigSet) -> nix::Result<Self> {
            Err(Errno::ENOSYS)
        }

        pub(super) fn take(&self) -> Option<Signal> {
            match *self {}
        }
    }

    impl AsFd for Queue {
        fn as_fd(&self) -> BorrowedFd<'_> {
            match *self {}
        }
    }
}
