//! A descriptor for a process ([pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
#[cfg(target_os = "linux")]
use std::ptr;

use nix::errno::Errno;
#[cfg(target_os = "linux")]
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A descriptor that refers to one process, and never to a later one with the same PID.
///
/// It becomes readable when the process ends.
pub(crate) struct PidFd(OwnedFd);

#[cfg(target_os = "linux")]
impl PidFd {
    /// Opens the process that has this PID now.
    pub(crate) fn open(pid: Pid) -> nix::Result<Self> {
        // SAFETY: the call takes two integers and touches no memory.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
        let fd = RawFd::try_from(fd).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: the kernel has just made this descriptor for us, so it has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal to this process, never to a later one with the same PID.
    pub(crate) fn signal(&self, signal: Signal) -> nix::Result<()> {
        let (fd, signal) = (self.0.as_raw_fd(), signal as libc::c_int);
        let no_info = ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo is allowed and means what kill(2) would send; the descriptor is open.
        Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) }).map(drop)
    }
}

/// Other systems have no such descriptor.
#[cfg(not(target_os = "linux"))]
impl PidFd {
    pub(crate) fn open(_: Pid) -> nix::Result<Self> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn signal(&self, _: Signal) -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
