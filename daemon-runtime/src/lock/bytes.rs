//! The bytes of a pidfile that carry locks.
//!
//! | byte | locked by | means |
//! |---|---|---|
//! | 0 | the daemon | the daemon is running |
//! | 1 | the daemon, or a process that removes a stale file | the file is in use |
//! | 2 | the daemon, with an open-file-description lock | the file is in use, even if the other locks are lost |
//! | 3 | the process in which a supervised body lives | a body lives, perhaps after its supervisor was killed |
//! | `0x1000_0000` + *n* | the daemon, until it is ready | the daemon answers on its socket *n* once it is ready |
//! | `0x2000_0000` + *n* | the daemon | a supervisor answers on its socket *n* |
//! | `0x3000_0000` + *n* | the daemon | its body has asked for reloads, and answers them on the socket *n* |
//! | `0x4000_0000` + *n* | the daemon | its body is at a reload, and answers it on the socket *n* |
//! | `0x5000_0000` + *n* | the process of a repeating body | it takes calls on the socket *n* |
//!
//! A lock far beyond the end of the file publishes the number of a socket: that on which the daemon reports its state,
//! or that on which a repeating body takes calls. A daemon locks the byte of [`NO_SOCKET`] before byte 0, so that a
//! running daemon never seems ready before it is.
//!
//! A record lock ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)) ends with its
//! process, is not inherited by children, and `F_GETLK` names its holder. A body that closes any descriptor of the file
//! drops the locks on bytes 0, 1 and 3, but not the one on byte 2.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc::off_t;
use nix::unistd::Pid;

use crate::sys::record_lock::{self, Bytes, Mode, Owner};

const DAEMON: Bytes = Bytes { start: 0, length: 1 };
const IN_USE: Bytes = Bytes { start: 1, length: 1 };
const DAEMON_IN_USE: Bytes = Bytes { start: 0, length: 2 };
const SURVIVOR: Bytes = Bytes { start: 2, length: 1 };
const BODY: Bytes = Bytes { start: 3, length: 1 };

/// The number that stands for no socket. The kernel's names have five hexadecimal digits, so no socket has it.
pub(crate) const NO_SOCKET: i32 = 0x10_0000;
/// The bytes on which a daemon that is not ready publishes its number.
const STARTING: Bytes = Bytes { start: 0x1000_0000, length: NUMBERS };
/// The bytes on which a supervisor publishes its number.
const SERVED: Bytes = Bytes { start: 0x2000_0000, length: NUMBERS };
/// The bytes on which a daemon whose body has asked for reloads publishes its number.
const ANSWERING: Bytes = Bytes { start: 0x3000_0000, length: NUMBERS };
/// The bytes on which a daemon whose body is at a reload publishes its number.
const RELOADING: Bytes = Bytes { start: 0x4000_0000, length: NUMBERS };
/// The bytes on which the process of a repeating body publishes the number of the socket that takes calls.
const CALLED: Bytes = Bytes { start: 0x5000_0000, length: NUMBERS };
const NUMBERS: off_t = 0x10_0001;
const NOT_LISTENING: Bytes = Bytes { start: STARTING.start + 0x10_0000, length: 1 };
const PUBLISHED: Bytes =
    Bytes { start: STARTING.start, length: RELOADING.start + RELOADING.length - STARTING.start };

/// The number that a daemon publishes by a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// The daemon is not ready. It answers on this socket once it is.
    Starting(i32),
    /// A supervisor answers on this socket at once.
    Served(i32),
    /// The daemon is ready, and answers on this socket once its body has reloaded.
    Answering(i32),
    /// The same, while the body is at a reload.
    Reloading(i32),
}

impl Published {
    fn byte(self) -> Bytes {
        let (range, number) = match self {
            Self::Starting(number) => (STARTING, number),
            Self::Served(number) => (SERVED, number),
            Self::Answering(number) => (ANSWERING, number),
            Self::Reloading(number) => (RELOADING, number),
        };
        let number = off_t::from(number.clamp(0, NO_SOCKET));
        Bytes { start: range.start + number, length: 1 }
    }

    fn at(byte: off_t) -> Option<Self> {
        let number = |range: Bytes| {
            i32::try_from(byte - range.start).ok().filter(|number| (0..=NO_SOCKET).contains(number))
        };
        number(STARTING)
            .map(Self::Starting)
            .or_else(|| number(SERVED).map(Self::Served))
            .or_else(|| number(ANSWERING).map(Self::Answering))
            .or_else(|| number(RELOADING).map(Self::Reloading))
    }
}

/// The result of an attempt to take a daemon's locks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Taken,
    /// Another process has a lock on byte 0 or 1.
    Refused,
    /// A child of an earlier daemon still holds byte 2, or its body byte 3.
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

/// Takes all locks of a daemon that is not ready.
pub(crate) fn claim(file: impl AsFd) -> nix::Result<Claim> {
    // In this order, so that a process that sees the lock of the daemon also sees that the daemon is not ready.
    for bytes in [NOT_LISTENING, DAEMON_IN_USE] {
        match record_lock::set(&file, bytes) {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(Claim::Refused),
            Err(errno) => return Err(errno),
        }
    }
    match record_lock::set_for_description(&file, SURVIVOR) {
        // If the file system or the kernel has no such locks, bytes 0 and 1 must suffice.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
            Ok(if has_body(file)? { Claim::Survived } else { Claim::Taken })
        }
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(Claim::Survived),
        Err(errno) => Err(errno),
    }
}

/// Publishes the number of this process's socket.
pub(crate) fn publish(file: impl AsFd, published: Published) -> nix::Result<()> {
    record_lock::set(&file, published.byte())?;
    match published {
        Published::Starting(_) => record_lock::release(file, NOT_LISTENING),
        Published::Served(_) => record_lock::release(file, STARTING),
        Published::Answering(_) => {
            [STARTING, RELOADING].into_iter().try_for_each(|old| record_lock::release(&file, old))
        }
        Published::Reloading(_) => record_lock::release(file, ANSWERING),
    }
}

/// Withdraws the number of a daemon that was not ready until now.
pub(crate) fn withdraw(file: impl AsFd) -> nix::Result<()> {
    record_lock::release(file, STARTING)
}

/// Returns the number that a process has published. Other processes' locks do not count, and neither do read locks.
pub(crate) fn published(file: impl AsFd, by: Pid) -> nix::Result<Option<Published>> {
    Ok(lock_of(file, by, PUBLISHED)?.and_then(Published::at))
}

/// Publishes the number of the socket on which this process takes calls. Async-signal-safe.
pub(crate) fn publish_calls(file: impl AsFd, number: i32) -> nix::Result<()> {
    let number = off_t::from(number.clamp(0, NO_SOCKET));
    record_lock::set(file, Bytes { start: CALLED.start + number, length: 1 })
}

/// Withdraws the number of the socket on which this process has taken calls. Async-signal-safe.
pub(crate) fn withdraw_calls(file: impl AsFd) -> nix::Result<()> {
    record_lock::release(file, CALLED)
}

/// Returns the number of the socket on which a process takes calls.
pub(crate) fn calls(file: impl AsFd, by: Pid) -> nix::Result<Option<i32>> {
    let start = lock_of(file, by, CALLED)?;
    Ok(start.and_then(|start| i32::try_from(start - CALLED.start).ok()))
}

/// Returns the start of a write lock that a process has in a range.
fn lock_of(file: impl AsFd, by: Pid, range: Bytes) -> nix::Result<Option<off_t>> {
    /// The number of locks of other processes that are passed over. A process that fails to become the daemon has such
    /// a lock for a moment.
    const MOST_OTHERS: usize = 64;
    let mut ranges = vec![range];
    for _ in 0..MOST_OTHERS {
        let Some(range) = ranges.pop() else { break };
        match record_lock::in_the_way(&file, Mode::Read, range)? {
            Some((Owner::Process(pid), lock)) if pid == by => return Ok(Some(lock.start)),
            // Both sides of the lock are searched, because the kernel returns only one of the locks in a range.
            Some((_, lock)) => {
                let (end, lock_end) = (range.start + range.length, lock.start + lock.length);
                let mut add = |start: off_t, end: off_t| {
                    if start < end {
                        ranges.push(Bytes { start, length: end - start });
                    }
                };
                if lock.length > 0 {
                    add(lock_end.max(range.start), end);
                }
                add(range.start, lock.start.min(end));
            }
            None => {}
        }
    }
    Ok(None)
}

/// Takes the lock of a process that removes a stale file, and returns whether it was free.
pub(crate) fn claim_removal(file: impl AsFd) -> bool {
    record_lock::set(file, IN_USE).is_ok()
}

/// Returns the holder of a file.
pub(crate) fn query(file: impl AsFd) -> nix::Result<Locks> {
    match daemon(&file)? {
        Locks::Free if has_survivor(&file)? || has_body(file)? => Ok(Locks::HeldByUnknown),
        locks => Ok(locks),
    }
}

/// Returns the process that write-locks byte 0. A read lock does not count, because every process that can read the
/// file can take one.
pub(crate) fn daemon(file: impl AsFd) -> nix::Result<Locks> {
    Ok(match record_lock::owner_in_the_way(file, Mode::Read, DAEMON)? {
        None => Locks::Free,
        Some(Owner::Process(pid)) => Locks::HeldBy(pid),
        Some(Owner::Unnamed) => Locks::HeldByUnknown,
    })
}

/// Takes the lock of the process in which a supervised body lives.
///
/// Returns false if another lock is in the way.
pub(crate) fn claim_body(file: impl AsFd) -> nix::Result<bool> {
    match record_lock::set(file, BODY) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Returns whether another process has byte 3 locked.
pub(crate) fn has_body(file: impl AsFd) -> nix::Result<bool> {
    Ok(record_lock::owner_in_the_way(file, Mode::Read, BODY)?.is_some())
}

/// Returns whether byte 2 is locked.
pub(crate) fn has_survivor(file: impl AsFd) -> nix::Result<bool> {
    Ok(record_lock::owner_in_the_way(file, Mode::Read, SURVIVOR)?.is_some())
}

/// Returns the process whose lock, even a read lock, is in the way of a daemon's.
pub(crate) fn obstacle(file: impl AsFd) -> Option<Pid> {
    [DAEMON_IN_USE, NOT_LISTENING].into_iter().find_map(|bytes| {
        match record_lock::owner_in_the_way(&file, Mode::Write, bytes) {
            Ok(Some(Owner::Process(pid))) => Some(pid),
            _ => None,
        }
    })
}
