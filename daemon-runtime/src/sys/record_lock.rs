//! Locks on bytes of a file ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)).

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

#[cfg(not(target_os = "linux"))]
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock};
use nix::unistd::Pid;

/// The two modes of a lock.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// A range of bytes, counted from the start of a file.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) start: u8,
    pub(crate) length: u8,
}

/// The owner of a lock that is in the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Process(Pid),
    /// A process of another PID namespace or host, or an open file description.
    Unnamed,
}

/// Write-locks bytes for this process, or fails at once if another process has a lock on them (`F_SETLK`).
pub(crate) fn set(file: impl AsFd, bytes: Bytes) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&describe(Mode::Write, bytes))).map(drop)
}

/// Write-locks bytes for the open file description (`F_OFD_SETLK`).
#[cfg(target_os = "linux")]
pub(crate) fn set_for_description(file: impl AsFd, bytes: Bytes) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&describe(Mode::Write, bytes))).map(drop)
}

/// Fails: POSIX.1-2024 has these locks, but the other systems do not have them yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set_for_description(_: impl AsFd, _: Bytes) -> nix::Result<()> {
    Err(Errno::ENOSYS)
}

/// Returns the owner of the first lock that a lock of ours would meet (`F_GETLK`). Locks of this process do not count.
pub(crate) fn owner_in_the_way(file: impl AsFd, mode: Mode, bytes: Bytes) -> nix::Result<Option<Owner>> {
    let mut lock = describe(mode, bytes);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok(match lock.l_pid {
        _ if c_int::from(lock.l_type) == c_int::from(libc::F_UNLCK) => None,
        pid if pid > 0 => Some(Owner::Process(Pid::from_raw(pid))),
        _ => Some(Owner::Unnamed),
    })
}

fn describe(mode: Mode, bytes: Bytes) -> flock {
    // SAFETY: flock is plain data, for which all zeros is a valid value. Some systems have more fields than POSIX.
    let mut lock: flock = unsafe { MaybeUninit::zeroed().assume_init() };
    #[allow(clippy::cast_possible_truncation, reason = "the constants are small, the fields are shorts")]
    {
        lock.l_type = match mode {
            Mode::Read => libc::F_RDLCK as _,
            Mode::Write => libc::F_WRLCK as _,
        };
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock.l_start = bytes.start.into();
    lock.l_len = bytes.length.into();
    lock
}
