//! File descriptors: inheriting, moving, redirecting them, waiting for them.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// Returns whether a descriptor would survive an exec. A closed one would not.
pub(crate) fn is_inheritable(fd: RawFd) -> bool {
    // SAFETY: the call only reads the flags of what is open under this number; if nothing is, it fails with EBADF.
    let flags = Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) });
    flags.is_ok_and(|flags| flags & libc::FD_CLOEXEC == 0)
}

/// Lists the open descriptors below a number, by one call for each 256.
pub(crate) fn open_below(end: RawFd) -> nix::Result<Vec<RawFd>> {
    let mut open = Vec::new();
    let mut entries = [libc::pollfd { fd: -1, events: 0, revents: 0 }; 256];
    for first in (0..end).step_by(entries.len()) {
        for (fd, entry) in (first..).zip(&mut entries) {
            // A negative number is skipped.
            entry.fd = if fd < end { fd } else { -1 };
        }
        // SAFETY: the pointer leads to that many entries. A number under which nothing is open is allowed, and marked.
        Errno::result(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, 0) })?;
        let is_open = |entry: &&libc::pollfd| entry.fd >= 0 && entry.revents & libc::POLLNVAL == 0;
        open.extend(entries.iter().filter(is_open).map(|entry| entry.fd));
    }
    Ok(open)
}

/// Closes a descriptor by its number.
///
/// # Safety
///
/// Nothing in this program may own the descriptor.
pub(crate) unsafe fn close_inherited(fd: RawFd) {
    FLOOR.fetch_max(fd.saturating_add(1), Ordering::Relaxed);
    let _ = nix::unistd::close(fd);
}

/// The lowest number for descriptors of ours: above the standard streams and above what [`close_inherited`] has closed.
///
/// The former owner of a closed descriptor may close the number again, and with it a descriptor of ours.
static FLOOR: AtomicI32 = AtomicI32::new(3);

/// Moves a descriptor above the floor. Async-signal-safe.
pub(crate) fn above_floor(file: OwnedFd) -> nix::Result<OwnedFd> {
    let floor = FLOOR.load(Ordering::Relaxed);
    if file.as_raw_fd() >= floor {
        return Ok(file);
    }
    match fcntl(&file, FcntlArg::F_DUPFD_CLOEXEC(floor)) {
        // SAFETY: the kernel has just made this descriptor for us, so it has no other owner.
        Ok(moved) => Ok(unsafe { OwnedFd::from_raw_fd(moved) }),
        // The limit of open files leaves no room above.
        Err(Errno::EINVAL | Errno::EMFILE) if file.as_raw_fd() > libc::STDERR_FILENO => Ok(file),
        Err(errno) => Err(errno),
    }
}

/// Replaces the flags of an open file. Async-signal-safe.
pub(crate) fn set_flags(file: impl AsFd, flags: OFlag) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_SETFL(flags)).map(drop)
}

/// Adds flags to those of an open file.
pub(crate) fn add_flags(file: impl AsFd, flags: OFlag) -> nix::Result<()> {
    let before = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    set_flags(file, before | flags)
}

/// Makes the kernel send SIGIO to a process when the other end of a socket is closed.
///
/// The signal comes for other reasons too, so its handler must look at the socket.
pub(crate) fn signal_closing(socket: BorrowedFd<'_>, process: Pid) -> nix::Result<()> {
    // SAFETY: F_SETOWN takes an integer and changes only this descriptor, which is open.
    Errno::result(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETOWN, process.as_raw()) })?;
    set_flags(socket, OFlag::O_ASYNC)
}

/// Creates a pipe whose ends do not block and do not survive an exec.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn nonblocking_pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

/// Does the same without pipe2, which this system lacks. A child that another thread forks between the calls inherits
/// the pipe.
#[cfg(target_vendor = "apple")]
pub(crate) fn nonblocking_pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe()?;
    for end in [&reader, &writer] {
        fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        set_flags(end, OFlag::O_NONBLOCK)?;
    }
    Ok((reader, writer))
}

/// Returns whether a write of a page would not block. Async-signal-safe.
pub(crate) fn is_writable(fd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut fds, PollTimeout::ZERO) == Ok(1);
    ready && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
}

/// Returns whether the other end of a socket has been closed. Async-signal-safe.
pub(crate) fn is_closed(socket: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(socket, PollFlags::empty())], PollTimeout::ZERO) == Ok(1)
}

/// Returns whether a read would not block. Async-signal-safe.
pub(crate) fn is_readable_at_once(fd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1)
}

/// Returns whether a descriptor has something to read, or its other end has been closed.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    wait_readable([Some(fd)], Some(Duration::ZERO)) == Ok([true])
}

/// Waits until one of the descriptors has something to read, or its other end has been closed.
///
/// The time is rounded up to a millisecond; `None` means no limit. Returns which of the descriptors are readable.
pub(crate) fn wait_readable<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> nix::Result<[bool; N]> {
    let given = fds.iter().flatten();
    let mut entries: Vec<_> = given.map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    poll(&mut entries, timeout.map_or(PollTimeout::NONE, rounded_up))?;
    let mut ready = entries.iter().map(|entry| entry.any().unwrap_or(true));
    Ok(fds.map(|fd| fd.is_some() && ready.next() == Some(true)))
}

/// Waits until `input` has something to read, or the other end of `output` has been closed, and returns whether it has
/// been closed. The time is rounded up to a millisecond; `None` means no limit.
pub(crate) fn wait_readable_or_closed(
    input: Option<BorrowedFd<'_>>,
    output: BorrowedFd<'_>,
    timeout: Option<Duration>,
) -> nix::Result<bool> {
    let mut entries = vec![PollFd::new(output, PollFlags::empty())];
    entries.extend(input.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    poll(&mut entries, timeout.map_or(PollTimeout::NONE, rounded_up))?;
    Ok(entries[0].any().unwrap_or(true))
}

pub(crate) fn rounded_up(timeout: Duration) -> PollTimeout {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    c_int::try_from(millis).ok().and_then(|millis| millis.try_into().ok()).unwrap_or(PollTimeout::MAX)
}

/// Returns a number that open descriptors rarely reach: the limit, but at most 65,536.
pub(crate) fn open_max() -> RawFd {
    const MANY: RawFd = 65_536;
    let limit = sysconf(SysconfVar::OPEN_MAX).ok().flatten();
    limit.and_then(|limit| RawFd::try_from(limit).ok()).map_or(MANY, |limit| limit.min(MANY))
}
