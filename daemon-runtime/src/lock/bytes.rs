//! The three bytes of a pidfile that carry locks.
//!
//! | byte | locked by | means |
//! |---|---|---|
//! | 0 | the daemon | the daemon is running |
//! | 1 | the daemon, or a process that removes a stale file | the file is in use |
//! | 2 | the daemon, with an open-file-description lock | the file is in use, even if the other locks are lost |
//!
//! A record lock ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)) ends with its
//! process, is not inherited by children, and `F_GETLK` names its holder. A body that closes any descriptor of the file
//! drops the locks on bytes 0 and 1, but not the one on byte 2.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::sys::record_lock::{self, Bytes, Mode, Owner};

const DAEMON: Bytes = Bytes { start: 0, length: 1 };
const IN_USE: Bytes = Bytes { start: 1, length: 1 };
const DAEMON_IN_USE: Bytes = Bytes { start: 0, length: 2 };
const SURVIVOR: Bytes = Bytes { start: 2, length: 1 };

/// The result of an attempt to take a daemon's locks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Taken,
    /// Another process has a lock on byte 0 or 1.
    Refused,
    /// A child of an earlier daemon still holds byte 2.
    Survived,
}

/// The holder of a file, as its locks show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locks {
    Free,
    HeldBy(Pid),
    /// The kernel cannot name the holder.
    HeldByUnknown,
}

/// Takes all locks of a daemon.
pub(crate) fn claim(file: impl AsFd) -> nix::Result<Claim> {
    match record_lock::set(&file, DAEMON_IN_USE) {
        Ok(()) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => return Ok(Claim::Refused),
        Err(errno) => return Err(errno),
    }
    match record_lock::set_for_description(&file, SURVIVOR) {
        // Without such locks in the file system or the kernel, bytes 0 and 1 have to do.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(Claim::Taken),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(Claim::Survived),
        Err(errno) => Err(errno),
    }
}

/// Takes the lock of a process that removes a stale file, and returns whether it was free.
pub(crate) fn claim_removal(file: impl AsFd) -> bool {
    record_lock::set(file, IN_USE).is_ok()
}

/// Asks who holds a file.
pub(crate) fn query(file: impl AsFd) -> nix::Result<Locks> {
    match daemon(&file)? {
        Locks::Free if has_survivor(file)? => Ok(Locks::HeldByUnknown),
        locks => Ok(locks),
    }
}

/// Asks who write-locks byte 0. A read lock does not count, because every process that can read the file can take one.
pub(crate) fn daemon(file: impl AsFd) -> nix::Result<Locks> {
    Ok(match record_lock::owner_in_the_way(file, Mode::Read, DAEMON)? {
        None => Locks::Free,
        Some(Owner::Process(pid)) => Locks::HeldBy(pid),
        Some(Owner::Unnamed) => Locks::HeldByUnknown,
    })
}

/// Returns whether byte 2 is locked.
pub(crate) fn has_survivor(file: impl AsFd) -> nix::Result<bool> {
    Ok(record_lock::owner_in_the_way(file, Mode::Read, SURVIVOR)?.is_some())
}

/// Returns the process whose lock, even a read lock, is in the way of a daemon's.
pub(crate) fn obstacle(file: impl AsFd) -> Option<Pid> {
    match record_lock::owner_in_the_way(file, Mode::Write, DAEMON_IN_USE) {
        Ok(Some(Owner::Process(pid))) => Some(pid),
        _ => None,
    }
}
