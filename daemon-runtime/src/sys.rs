//! The system calls that have no safe wrapper, and the only `unsafe` of this crate.
//!
//! nix has one for most of them, behind features with which it takes several times as long to compile, while everything
//! else waits for it: processes, files, `poll`, the signal mask, `kill`, the clocks.
//!
//! Every function here is safe to call, or it says what its caller must see to.
#![allow(unsafe_code, reason = "the one place for it")]

use std::ffi::{CStr, c_int, c_uint};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
#[cfg(target_vendor = "apple")]
use nix::unistd::Gid;

/// The result of a system call.
pub(crate) type Sys<T> = nix::Result<T>;

// ---- processes ----

/// The number of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pid(libc::pid_t);

impl Pid {
    pub(crate) fn from_raw(number: libc::pid_t) -> Self {
        Self(number)
    }

    pub(crate) fn as_raw(self) -> libc::pid_t {
        self.0
    }

    /// Gives the number as users get it.
    pub(crate) fn number(self) -> u32 {
        self.0.unsigned_abs()
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Gives this process's own. Async-signal-safe.
pub(crate) fn getpid() -> Pid {
    // SAFETY: the call has no precondition and can't fail.
    Pid(unsafe { libc::getpid() })
}

/// In which process a fork has returned.
pub(crate) enum Fork {
    Child,
    Parent { child: Pid },
}

/// Forks this process. In a child of a process that had other threads only async-signal-safe
/// functions may be called; the caller sees to it that there are none.
pub(crate) fn fork() -> Sys<Fork> {
    // SAFETY: the launcher has checked that this thread is the only one, so no lock of the
    // allocator, of stdio or of anybody else can have been held by another one at the fork, and the
    // child may do what any process may. Where the check is impossible (no /proc, another Unix), the
    // caller is told not to have other threads; glibc then still keeps its allocator usable, but nobody
    // does that for the locks of stdio, the environment, or our own lists.
    Ok(match Errno::result(unsafe { libc::fork() })? {
        0 => Fork::Child,
        child => Fork::Parent { child: Pid(child) },
    })
}

/// Makes this process the leader of a new session, without a terminal.
pub(crate) fn setsid() -> Sys<()> {
    // SAFETY: the call takes nothing and touches no memory.
    Errno::result(unsafe { libc::setsid() }).map(drop)
}

/// Takes the exit status of a child: waits for its end, or with `WNOHANG` only if that is past.
pub(crate) fn reap(child: Pid, options: c_int) -> Sys<()> {
    // SAFETY: the pointer may be null, where nobody wants the status.
    Errno::result(unsafe { libc::waitpid(child.0, ptr::null_mut(), options) }).map(drop)
}

/// Which process this is: by its number, and by the count of forks on the way to it, since a child in a PID namespace
/// of its own can have the number of its parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThisProcess {
    pid: Pid,
    forks: u32,
}

/// How many forks this process has behind it since somebody has asked.
static FORKS: AtomicU32 = AtomicU32::new(0);

impl ThisProcess {
    /// Begins to count the forks.
    pub(crate) fn know() -> Self {
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        static COUNTED: Once = Once::new();
        COUNTED.call_once(|| {
            // SAFETY: the function is there for the whole life of the program, and does what may be done in a
            // child. If there is no memory to keep it, the number has to do.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Self::here()
    }

    /// Asks anew. Async-signal-safe.
    pub(crate) fn here() -> Self {
        Self { pid: getpid(), forks: FORKS.load(Ordering::Relaxed) }
    }

    pub(crate) fn pid(self) -> Pid {
        self.pid
    }
}

/// Ends this process at once: no exit handler, no buffer is flushed.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` has no precondition and doesn't return; POSIX allows it anywhere.
    unsafe { libc::_exit(code.into()) }
}

/// Sends a signal to whoever has this number; 0 only asks whether anybody may be signalled by it.
pub(crate) fn kill(pid: Pid, signal: c_int) -> Sys<()> {
    // SAFETY: `kill` takes two integers and touches no memory of this process.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Has `function` called when this process exits by `exit` or by returning from `main`.
pub(crate) fn at_exit(function: extern "C" fn()) -> Sys<()> {
    // SAFETY: the function pointer is valid for the whole life of the program. Were this crate part
    // of a shared object that is unloaded, glibc would run the handler at the unloading.
    match unsafe { libc::atexit(function) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// A process that keeps its identity: its PID can't be reused under this descriptor.
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process that has this PID now.
    #[cfg(target_os = "linux")]
    pub(crate) fn open(pid: Pid) -> Sys<Self> {
        // SAFETY: the call takes two integers and touches no memory.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
        let fd = RawFd::try_from(fd).map_err(|_| Errno::EOVERFLOW)?;
        // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal to just this process, never to a successor of its PID.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal(&self, signal: c_int) -> Sys<()> {
        let fd = self.0.as_raw_fd();
        // SAFETY: the siginfo pointer may be null, which makes it as if `kill` had been called; the
        // descriptor is open for as long as `self` lives.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, ptr::null::<libc::siginfo_t>(), 0)
        })
        .map(drop)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn open(_: Pid) -> Sys<Self> {
        Err(Errno::ENOSYS)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn signal(&self, _: c_int) -> Sys<()> {
        Err(Errno::ENOSYS)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// ---- signals ----

/// The shape of a signal handler. What it may call, signal-safety(7) lists.
pub(crate) type Handler = extern "C" fn(c_int);

/// What a signal did before a handler of ours was installed.
pub(crate) struct Disposition(libc::sigaction);

/// Installs a handler that runs with every signal blocked, and restarts interrupted calls.
///
/// The handler must call only async-signal-safe functions and preserve `errno`.
pub(crate) fn install_handler(signal: c_int, handler: Handler) -> Sys<Disposition> {
    let mut action = default_action();
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: `sa_mask` is a valid sigset to be filled.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    swap_action(signal, &action).map(Disposition)
}

/// Gives a signal its default disposition.
pub(crate) fn reset_to_default(signal: c_int) -> Sys<()> {
    swap_action(signal, &default_action()).map(drop)
}

/// Puts back what [`install_handler`] has replaced.
pub(crate) fn restore(signal: c_int, before: &Disposition) -> Sys<()> {
    swap_action(signal, &before.0).map(drop)
}

/// Tells whether this handler is the one that is installed.
pub(crate) fn is_installed(signal: c_int, handler: Handler) -> bool {
    query_action(signal).is_ok_and(|action| action.sa_sigaction == handler as libc::sighandler_t)
}

/// Tells whether a signal is ignored.
pub(crate) fn is_ignored(signal: c_int) -> bool {
    query_action(signal).is_ok_and(|action| action.sa_sigaction == libc::SIG_IGN)
}

fn default_action() -> libc::sigaction {
    // SAFETY: sigaction is plain data, for which all zeros is a value: SIG_DFL, no flag, an empty mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn swap_action(signal: c_int, new: &libc::sigaction) -> Sys<libc::sigaction> {
    let mut old = default_action();
    // SAFETY: both pointers are to live values. The handlers that reach this function are SIG_DFL, one
    // that was installed before, or one of ours, which keep to async-signal-safe functions.
    Errno::result(unsafe { libc::sigaction(signal, new, &raw mut old) })?;
    Ok(old)
}

fn query_action(signal: c_int) -> Sys<libc::sigaction> {
    let mut current = default_action();
    // SAFETY: a null `act` only asks; `current` is a live value.
    Errno::result(unsafe { libc::sigaction(signal, ptr::null(), &raw mut current) })?;
    Ok(current)
}

/// Sends a signal to the calling thread.
pub(crate) fn raise(signal: c_int) {
    // SAFETY: `raise` takes an integer; an invalid one is an error that nobody needs here.
    unsafe { libc::raise(signal) };
}

/// Takes a blocked signal back that is pending for this thread.
pub(crate) fn take_back(signal: c_int) {
    let (mut pending, mut taken) = (MaybeUninit::uninit(), 0);
    // SAFETY: `sigpending` initialises its set before anything reads it. `sigwait` returns at once, since the
    // signal is pending.
    unsafe {
        if libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), signal) == 1 {
            libc::sigwait(&SignalSet::of(&[signal]).0, &raw mut taken);
        }
    }
}

/// A set of signals.
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    pub(crate) fn of(signals: &[c_int]) -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set before anything reads it; `sigaddset` refuses a number that
        // is no signal.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            Self(set.assume_init())
        }
    }

    pub(crate) fn all() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises the set.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    /// Makes it the set that this thread blocks, and gives the one before.
    pub(crate) fn block(&self) -> Sys<Self> {
        self.change_mask(libc::SIG_SETMASK)
    }

    fn change_mask(&self, how: c_int) -> Sys<Self> {
        let mut before = Self::of(&[]);
        // SAFETY: both pointers are to sets that live through the call.
        match unsafe { libc::pthread_sigmask(how, &raw const self.0, &raw mut before.0) } {
            0 => Ok(before),
            errno => Err(Errno::from_raw(errno)),
        }
    }
}

/// Unblocks signals in this thread.
pub(crate) fn unblock(signals: &[c_int]) {
    let _ = SignalSet::of(signals).change_mask(libc::SIG_UNBLOCK);
}

// ---- descriptors ----

/// Tells whether a descriptor number would survive an exec; a closed one would not.
pub(crate) fn is_inheritable(fd: RawFd) -> bool {
    // SAFETY: the call reads the flags of whatever is open there; if nothing is, the answer is EBADF.
    let flags = Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) });
    flags.is_ok_and(|flags| flags & libc::FD_CLOEXEC == 0)
}

/// Closes a descriptor that this program inherited and that nothing in it knows of.
pub(crate) fn close_inherited(fd: RawFd) {
    FLOOR.fetch_max(fd.saturating_add(1), Ordering::Relaxed);
    // SAFETY: the number comes from a listing of the open descriptors and has no FD_CLOEXEC, which all
    // that Rust has opened has; so no owner in this program will use it or close it again. A program
    // that opened one without the flag is told to say `close_fds = false`; if it doesn't, what it closes twice
    // is at least none of ours, as these are above the floor.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

/// Where descriptors of ours begin: above the standard streams, and above what we have closed.
static FLOOR: AtomicI32 = AtomicI32::new(3);

/// Moves a descriptor out of the way of the standard streams, if somebody has closed one of these, and of owners who
/// don't know that theirs are closed. Async-signal-safe.
pub(crate) fn above_floor(file: OwnedFd) -> Sys<OwnedFd> {
    let floor = FLOOR.load(Ordering::Relaxed);
    if file.as_raw_fd() >= floor {
        return Ok(file);
    }
    // SAFETY: the call takes integers and makes a new descriptor.
    match Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, floor) }) {
        // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
        Ok(moved) => Ok(unsafe { OwnedFd::from_raw_fd(moved) }),
        // The limit leaves no room up there.
        Err(Errno::EINVAL | Errno::EMFILE) if file.as_raw_fd() > 2 => Ok(file),
        Err(errno) => Err(errno),
    }
}

/// A standard stream.
#[derive(Clone, Copy)]
pub(crate) struct Standard(RawFd);

pub(crate) const STDIN: Standard = Standard(libc::STDIN_FILENO);
pub(crate) const STDOUT: Standard = Standard(libc::STDOUT_FILENO);
pub(crate) const STDERR: Standard = Standard(libc::STDERR_FILENO);

/// Puts a file on a standard stream. Async-signal-safe.
pub(crate) fn put_on(file: &OwnedFd, stream: Standard) -> Sys<()> {
    // SAFETY: the call takes integers; a standard stream has no owner who counts on what is behind it.
    Errno::result(unsafe { libc::dup2(file.as_raw_fd(), stream.0) }).map(drop)
}

/// Tells whether a write of a page would not block. Async-signal-safe.
pub(crate) fn is_writable(fd: impl AsFd) -> bool {
    let mut entries = [libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    poll(&mut entries, 0) == Ok(1) && entries[0].revents & libc::POLLOUT != 0
}

/// Waits until one of two descriptors has something to read, or has been closed at its other end: for ever or for
/// this long, rounded up to a millisecond so that it isn't over too early. Tells which of them it is.
pub(crate) fn await_input(fds: [Option<BorrowedFd<'_>>; 2], patience: Option<Duration>) -> Sys<[bool; 2]> {
    let millis = patience.map_or(-1, |patience| {
        let millis = patience.as_secs().saturating_mul(1000);
        let millis = millis.saturating_add(patience.subsec_nanos().div_ceil(1_000_000).into());
        c_int::try_from(millis).unwrap_or(c_int::MAX)
    });
    // A negative descriptor is passed over.
    let entry = |fd: Option<BorrowedFd<'_>>| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries = [entry(fds[0]), entry(fds[1])];
    poll(&mut entries, millis)?;
    Ok([entries[0].revents != 0, entries[1].revents != 0])
}

/// Tells whether the other end of a channel has been closed. Async-signal-safe.
pub(crate) fn is_closed(channel: BorrowedFd<'_>) -> bool {
    let mut entries = [libc::pollfd { fd: channel.as_raw_fd(), events: 0, revents: 0 }];
    poll(&mut entries, 0) == Ok(1)
}

fn poll(entries: &mut [libc::pollfd], millis: c_int) -> Sys<c_int> {
    // SAFETY: the pointer is to as many entries as the call is told, and they live through it.
    Errno::result(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) })
}

/// Reads what has come by a socket, and waits for it; nothing at its end.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Sys<usize> {
    // SAFETY: the pointer is to as many bytes as the call is told, and they live through it.
    let length = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(length).map_err(|_| Errno::last())
}

/// Has SIGIO sent to a process when the other end of a channel is closed, or to nobody.
///
/// The signal comes for other reasons too, so its handler must look at the channel.
pub(crate) fn notify_of_closing(channel: impl AsFd, process: Option<Pid>) -> Sys<()> {
    let channel = channel.as_fd();
    if let Some(process) = process {
        // SAFETY: F_SETOWN takes an integer and changes only this descriptor, which is open.
        Errno::result(unsafe { libc::fcntl(channel.as_raw_fd(), libc::F_SETOWN, process.as_raw()) })?;
    }
    set_flags(channel, if process.is_some() { libc::O_ASYNC } else { 0 })
}

/// Makes a pipe neither of whose ends blocks, and that no child gets by an exec.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn nonblocking_pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the pointer is to two integers.
    Errno::result(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    // SAFETY: the kernel has just made these descriptors for us, so nobody else owns them.
    let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((reader, writer))
}

/// The same where there is no pipe2. Between the calls another thread may fork, and its child have the pipe.
#[cfg(target_vendor = "apple")]
pub(crate) fn nonblocking_pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe()?;
    for end in [&reader, &writer] {
        // SAFETY: the call takes integers and changes only this descriptor, which is open.
        Errno::result(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
        set_flags(end, libc::O_NONBLOCK)?;
    }
    Ok((reader, writer))
}

// ---- files ----

/// What the system knows of a file.
pub(crate) type Stat = libc::stat;

/// Opens a file, by `O_` flags and with the permissions of one that is made. Async-signal-safe, as all of these are.
pub(crate) fn open(path: &CStr, flags: c_int, mode: c_uint) -> Sys<OwnedFd> {
    // SAFETY: the path is a C string that lives through the call.
    let fd = Errno::result(unsafe { libc::open(path.as_ptr(), flags, mode) })?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Examines what a path leads to.
pub(crate) fn stat(path: &CStr) -> Sys<Stat> {
    // SAFETY: the path is a C string, and the other pointer is to a `Stat` to be filled.
    examine(|stat| unsafe { libc::stat(path.as_ptr(), stat) })
}

/// Examines a path's last part itself, which may be a link.
pub(crate) fn lstat(path: &CStr) -> Sys<Stat> {
    // SAFETY: the same.
    examine(|stat| unsafe { libc::lstat(path.as_ptr(), stat) })
}

/// Examines what is open.
pub(crate) fn fstat(file: impl AsFd) -> Sys<Stat> {
    // SAFETY: the descriptor is open, and the pointer is to a `Stat` to be filled.
    examine(|stat| unsafe { libc::fstat(file.as_fd().as_raw_fd(), stat) })
}

fn examine(call: impl FnOnce(*mut Stat) -> c_int) -> Sys<Stat> {
    let mut stat = MaybeUninit::uninit();
    Errno::result(call(stat.as_mut_ptr()))?;
    // SAFETY: a call that succeeds has filled it.
    Ok(unsafe { stat.assume_init() })
}

/// What makes a file the same file under any path.
///
/// Ask it before opening what could be the pidfile: closing any descriptor of that drops the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    dev: libc::dev_t,
    ino: libc::ino_t,
}

impl FileId {
    pub(crate) fn from_stat(stat: &Stat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino }
    }

    pub(crate) fn is_of(self, stat: &Stat) -> bool {
        self == Self::from_stat(stat)
    }
}

/// Gives the kind of file, one of the constants `S_IFREG`, `S_IFDIR`, …
pub(crate) fn kind(stat: &Stat) -> libc::mode_t {
    stat.st_mode & libc::S_IFMT
}

pub(crate) fn unlink(path: &CStr) -> Sys<()> {
    // SAFETY: the path is a C string that lives through the call.
    Errno::result(unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// Makes a file empty.
pub(crate) fn empty(file: &OwnedFd) -> Sys<()> {
    // SAFETY: the call takes integers; the descriptor is open.
    Errno::result(unsafe { libc::ftruncate(file.as_raw_fd(), 0) }).map(drop)
}

pub(crate) fn fchmod(file: &OwnedFd, mode: libc::mode_t) -> Sys<()> {
    // SAFETY: the call takes integers; the descriptor is open.
    Errno::result(unsafe { libc::fchmod(file.as_raw_fd(), mode) }).map(drop)
}

/// Sets the permissions that no file of this process gets.
pub(crate) fn set_umask(mask: libc::mode_t) {
    // SAFETY: the call takes an integer and can't fail.
    unsafe { libc::umask(mask) };
}

/// Sets the flags of an open file: `O_APPEND`, `O_NONBLOCK`, `O_ASYNC`.
pub(crate) fn set_flags(file: impl AsFd, flags: c_int) -> Sys<()> {
    // SAFETY: F_SETFL takes an integer; the descriptor is open.
    Errno::result(unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

// ---- record locks ----

/// Takes a lock for this process, or says at once that another one has it (`F_SETLK`).
pub(crate) fn set_lock(file: &OwnedFd, lock: &libc::flock) -> Sys<()> {
    // SAFETY: the descriptor is open, and the pointer is to a lock that the call only reads.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, ptr::from_ref(lock)) }).map(drop)
}

/// Takes a lock for the open file description (`F_OFD_SETLK`).
#[cfg(target_os = "linux")]
pub(crate) fn set_description_lock(file: &OwnedFd, lock: &libc::flock) -> Sys<()> {
    // SAFETY: the same.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, ptr::from_ref(lock)) }).map(drop)
}

/// Asks what would be in the way of a lock (`F_GETLK`): that, or one that is free.
pub(crate) fn query_lock(file: impl AsFd, mut lock: libc::flock) -> Sys<libc::flock> {
    // SAFETY: the descriptor is open, and the pointer is to a lock that the call overwrites.
    Errno::result(unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETLK, &raw mut lock) })?;
    Ok(lock)
}

/// Says whether a record lock is for reading or for writing.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    Read,
    Write,
}

/// Describes a lock on some bytes from the start of a file.
pub(crate) fn record_lock(kind: Lock, start: i64, length: i64) -> libc::flock {
    // SAFETY: flock is plain data, for which all zeros is a value; some systems have more fields than POSIX.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    #[allow(clippy::cast_possible_truncation, reason = "the constants are small, the fields are shorts")]
    {
        lock.l_type = match kind {
            Lock::Read => libc::F_RDLCK as _,
            Lock::Write => libc::F_WRLCK as _,
        };
        lock.l_whence = libc::SEEK_SET as _;
    }
    lock.l_start = start;
    lock.l_len = length;
    lock
}

/// Tells whether `F_GETLK` has found nothing in the way.
pub(crate) fn is_free(lock: &libc::flock) -> bool {
    c_int::from(lock.l_type) == c_int::from(libc::F_UNLCK)
}

// ---- identity ----

/// Tells whether this process has any capability, in any of the sets that it could use.
#[cfg(target_os = "linux")]
pub(crate) fn has_capabilities() -> Sys<bool> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    // Effective, permitted, inheritable; the lower half of the capabilities and the upper one.
    let mut sets = [0_u32; 6];
    // SAFETY: version 3 of the call reads two words at the first pointer and writes six at the second; both
    // live through it.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    let [effective, permitted, _, effective_too, permitted_too, _] = sets;
    Ok(effective | permitted | effective_too | permitted_too != 0)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn has_capabilities() -> Sys<bool> {
    Ok(false)
}

/// Has the capabilities go when the user changes, whatever this program has asked for before.
#[cfg(target_os = "linux")]
pub(crate) fn give_up_keeping_capabilities() -> Sys<()> {
    // SAFETY: prctl takes integers for this option and has no effect but on the flag.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 0, 0, 0, 0) }).map(drop)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn give_up_keeping_capabilities() -> Sys<()> {
    Ok(())
}

/// Sets the supplementary groups, on the Unix whose nix has no function for it.
#[cfg(target_vendor = "apple")]
pub(crate) fn set_groups(groups: &[Gid]) -> Sys<()> {
    let groups: Vec<libc::gid_t> = groups.iter().map(|gid| gid.as_raw()).collect();
    let count = c_int::try_from(groups.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer is to `count` group numbers that live through the call.
    Errno::result(unsafe { libc::setgroups(count, groups.as_ptr()) }).map(drop)
}

// ---- sleeping on a word ----

/// Sleeps until the word is woken, it no longer has this value, or the monotonic clock has reached
/// the deadline. Returns early for no reason at times; the caller looks again.
#[cfg(target_os = "linux")]
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, deadline: Option<Duration>) {
    let deadline = deadline.and_then(timespec);
    let timeout = deadline.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the word and the timespec live through the call. Any failure (EINTR, ETIMEDOUT, EAGAIN)
    // means that the caller looks again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            value,
            timeout,
            ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

/// Wakes everybody who sleeps on the word. Async-signal-safe.
#[cfg(target_os = "linux")]
pub(crate) fn futex_wake_all(word: &AtomicU32) {
    let (wake, all) = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, c_int::MAX);
    // SAFETY: the word lives through the call, which only compares its address with the sleepers'.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), wake, all) };
}

/// `None` for a moment that no clock will reach.
#[cfg(target_os = "linux")]
fn timespec(moment: Duration) -> Option<libc::timespec> {
    Some(libc::timespec { tv_sec: moment.as_secs().try_into().ok()?, tv_nsec: moment.subsec_nanos().into() })
}

// ---- numbers of the system ----

/// Reads a clock, where the system has it.
pub(crate) fn clock(id: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value that lives through the call.
    Errno::result(unsafe { libc::clock_gettime(id, &raw mut time) }).ok()?;
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// Reads the monotonic clock, by which every wait is measured.
pub(crate) fn now() -> Duration {
    // The clock always exists (POSIX), and is never negative.
    clock(libc::CLOCK_MONOTONIC).unwrap_or_default()
}

/// Gives the clock ticks per second of `/proc/PID/stat`.
#[cfg(target_os = "linux")]
pub(crate) fn clock_ticks() -> Option<u64> {
    // SAFETY: `sysconf` takes an integer and has no effect.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)
}

/// Gives a number that open descriptors hardly reach: the limit, or 65,536 where there is a larger one or none.
pub(crate) fn open_max() -> RawFd {
    const MANY: RawFd = 65_536;
    // SAFETY: `sysconf` takes an integer and has no effect.
    let limit = RawFd::try_from(unsafe { libc::sysconf(libc::_SC_OPEN_MAX) }).unwrap_or(MANY);
    if limit < 0 { MANY } else { limit.min(MANY) }
}
