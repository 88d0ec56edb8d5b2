//! Processes: forking one, ending this one, recognizing it.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{self, ForkResult, Pid, getpid};

/// A proof that this process has one thread, so that it can be forked. It holds in a child too, which has only the
/// thread that forked it.
#[must_use = "it is what a fork needs"]
pub(crate) struct SingleThread(());

impl SingleThread {
    /// Makes a proof.
    ///
    /// # Safety
    ///
    /// The calling thread must be the only one, as long as the proof exists. Otherwise the child of a fork may call
    /// only async-signal-safe functions ([fork(2)](https://man7.org/linux/man-pages/man2/fork.2.html)).
    pub(crate) unsafe fn assume() -> Self {
        Self(())
    }
}

/// Forks this process.
pub(crate) fn fork(_: &SingleThread) -> nix::Result<ForkResult> {
    // SAFETY: the argument proves that there is one thread, so no other thread holds a lock at the fork that would stay
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

/// Registers a function that is called when this process exits by `exit` or by returning from `main`. It gets the exit
/// code if the C library is glibc. Only the function of the first call is used.
pub(crate) fn at_exit(function: fn(Option<u8>)) -> nix::Result<()> {
    let _ = AT_EXIT.set(function);
    match register_at_exit() {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

static AT_EXIT: OnceLock<fn(Option<u8>)> = OnceLock::new();

fn call_at_exit(code: Option<u8>) {
    if let Some(function) = AT_EXIT.get() {
        function(code);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn register_at_exit() -> libc::c_int {
    // SAFETY: this is the declaration of on_exit(3) in glibc's `stdlib.h`. It is sound for every input, because the
    // function does not use its argument, and a function pointer is valid for the whole life of the program. If this
    // code is part of a shared object, glibc keeps the object, as no program unloads one that Rust's std is part of.
    unsafe extern "C" {
        safe fn on_exit(
            function: extern "C" fn(libc::c_int, *mut libc::c_void),
            argument: *mut libc::c_void,
        ) -> libc::c_int;
    }
    extern "C" fn with_code(code: libc::c_int, _: *mut libc::c_void) {
        let [lowest, ..] = code.to_le_bytes();
        call_at_exit(Some(lowest));
    }
    on_exit(with_code, ptr::null_mut())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn register_at_exit() -> libc::c_int {
    extern "C" fn without_code() {
        call_at_exit(None);
    }
    // SAFETY: a function pointer is valid for the whole life of the program. If this code is part of a shared object
    // that is unloaded, the C library calls the function then and forgets it.
    unsafe { libc::atexit(without_code) }
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
