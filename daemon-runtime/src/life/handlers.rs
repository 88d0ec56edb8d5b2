//! The signal handler of a daemon, installed for as many instances as need it.
//!
//! The handler calls async-signal-safe functions only
//! ([signal-safety(7)](https://man7.org/linux/man-pages/man7/signal-safety.7.html)): `getpid`, `sigaction`, futex(2),
//! `write`, `fstat`; for a reload `stat`, `open`, `fcntl`, `dup2`, `poll`, `close`; for the end of the process `lstat`,
//! `unlink`, `ftruncate`, `raise`, `pthread_sigmask`, `_exit`; for a service manager `send`. It takes no lock but by
//! `try_lock`, allocates nothing, restores `errno`, and acts only in the process that installed it.

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::life::instance;
use crate::sys::handler::{self, Disposition};
use crate::sys::process::ProcessId;

/// The signals that have our handler.
static INSTALLED: Mutex<Vec<Installed>> = Mutex::new(Vec::new());

struct Installed {
    signal: Signal,
    /// The process that installed it: a daemon that is started by a daemon installs its own, above whatever has been
    /// installed over its parent's.
    owner: ProcessId,
    before: Disposition,
    /// The number of instances that need it.
    users: usize,
}

extern "C" fn on_signal(number: c_int) {
    let errno = Errno::last_raw();
    if let Ok(signal) = Signal::try_from(number) {
        let is_outermost = || handler::is_installed(signal, on_signal);
        let mut has_instance = false;
        for instance in instance::current() {
            instance.receive(signal, &is_outermost);
            has_instance = true;
        }
        // A child that the body has forked inherits the handler, but is not the daemon. It ends as it would without.
        if !has_instance && is_outermost() {
            instance::end_by(signal);
        }
    }
    Errno::set_raw(errno);
}

/// Installs the handler, or counts one more instance that needs it.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
pub(crate) fn install(signal: Signal, owner: ProcessId) -> nix::Result<()> {
    let mut installed = lock();
    installed.retain(|entry| entry.owner == owner);
    if let Some(entry) = installed.iter_mut().find(|entry| entry.signal == signal) {
        entry.users += 1;
        return Ok(());
    }
    // SAFETY: the handler calls only the async-signal-safe functions that this file lists, and restores errno.
    let before = unsafe { handler::install(signal, on_signal)? };
    installed.push(Installed { signal, owner, before, users: 1 });
    Ok(())
}

/// Counts one instance less, and restores what was there before the first.
pub(crate) fn uninstall(signal: Signal) {
    let mut installed = lock();
    let Some(at) = installed.iter().position(|entry| entry.signal == signal) else { return };
    installed[at].users -= 1;
    if installed[at].users == 0 {
        let Installed { before, .. } = installed.swap_remove(at);
        if handler::is_installed(signal, on_signal) {
            handler::restore(signal, &before);
        }
    }
}

fn lock() -> MutexGuard<'static, Vec<Installed>> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}
