//! Locks on bytes of a file ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)).

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

#[cfg(not(target_os = "linux"))]
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock, off_t};
use nix::unistd::Pid;

/// The two modes of a lock.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// A range of bytes, counted from the start of a file, which may be shorter.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    pub(crate) start: off_t,
    pub(crate) length: off_t,
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

/// Releases this process's locks on bytes, if there are any (`F_UNLCK`).
pub(crate) fn release(file: impl AsFd, bytes: Bytes) -> nix::Result<()> {
    let mut lock = describe(Mode::Write, bytes);
    #[allow(clippy::cast_possible_truncation, reason = "the constant is small, the field is a short")]
    {
        lock.l_type = libc::F_UNLCK as _;
    }
    fcntl(file, FcntlArg::F_SETLK(&lock)).map(drop)
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
    Ok(in_the_way(file, mode, bytes)?.map(|(owner, _)| owner))
}

/// Does the same, and returns the bytes of that lock too. A length of zero means up to the end of every file.
pub(crate) fn in_the_way(file: impl AsFd, mode: Mode, bytes: Bytes) -> nix::Result<Option<(Owner, Bytes)>> {
    let mut lock = describe(mode, bytes);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    let owner = match lock.l_pid {
        _ if c_int::from(lock.l_type) == c_int::from(libc::F_UNLCK) => return Ok(None),
        pid if pid > 0 => Owner::Process(Pid::from_raw(pid)),
        _ => Owner::Unnamed,
    };
    Ok(Some((owner, Bytes { start: lock.l_start, length: lock.l_len })))
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
    lock.l_start = bytes.start;
    lock.l_len = bytes.length;
    lock
}
