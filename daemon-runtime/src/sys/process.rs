//! Processes: forking one, ending this one, recognizing it.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{self, ForkResult, Pid, getpid};

/// Forks this process.
///
/// # Safety
///
/// The calling thread must be the only one. Otherwise the child may call only async-signal-safe functions
/// ([fork(2)](https://man7.org/linux/man-pages/man2/fork.2.html)).
pub(crate) unsafe fn fork() -> nix::Result<ForkResult> {
    // SAFETY: the caller proves that there is one thread, so no other thread holds a lock at the fork that would stay
    // locked in the child.
    unsafe { unistd::fork() }
}

/// Writes what is in the buffers of C's streams, which a library may use.
pub(crate) fn flush_c_streams() {
    // SAFETY: a null pointer means all streams. The call locks each of them as it goes.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Ends this process at once, without exit handlers and without flushing buffers. Async-signal-safe.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` has no precondition and does not return; POSIX allows it anywhere.
    unsafe { libc::_exit(code.into()) }
}

/// Registers a function that is called when this process exits by `exit` or by returning from `main`.
pub(crate) fn at_exit(function: extern "C" fn()) -> nix::Result<()> {
    // SAFETY: a function pointer is valid for the whole life of the program. If this code is part of a shared object
    // that is unloaded, the C library calls the function then and forgets it.
    match unsafe { libc::atexit(function) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// Returns a PID as the public interface shows it.
pub(crate) fn number(pid: Pid) -> u32 {
    pid.as_raw().unsigned_abs()
}

/// The identity of a process: its PID and the number of forks that led to it.
///
/// The PID alone is not enough: in a PID namespace of its own, a child can have the PID of its parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pid: Pid,
    forks: u32,
}

/// The number of forks that led to this process, counted from the first call of [`ProcessId::track`].
static FORKS: AtomicU32 = AtomicU32::new(0);

impl ProcessId {
    /// Returns the identity of this process, and counts forks from now on.
    pub(crate) fn track() -> Self {
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        static TRACKED: Once = Once::new();
        TRACKED.call_once(|| {
            // SAFETY: the function is valid for the whole life of the program, and an atomic addition is
            // async-signal-safe. If memory is short and the call fails, only the PID is compared.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Self::current()
    }

    /// Returns the identity of this process. Async-signal-safe.
    pub(crate) fn current() -> Self {
        Self { pid: getpid(), forks: FORKS.load(Ordering::Relaxed) }
    }

    pub(crate) fn pid(self) -> Pid {
        self.pid
    }
}
