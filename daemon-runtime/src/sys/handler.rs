//! Signal handlers ([sigaction(2)](https://man7.org/linux/man-pages/man2/sigaction.2.html)).
//!
//! nix can install a handler, but cannot ask which one is installed, and knows no real-time signal.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, sigaction};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};

/// The type of a signal handler.
pub(crate) type Handler = extern "C" fn(c_int);

/// The handling of a signal before a handler of ours was installed.
pub(crate) struct Disposition(sigaction);

/// Installs a handler that runs with all signals blocked and restarts interrupted calls.
///
/// # Safety
///
/// The handler must call only async-signal-safe functions
/// ([signal-safety(7)](https://man7.org/linux/man-pages/man7/signal-safety.7.html)) and must restore `errno`.
pub(crate) unsafe fn install(signal: Signal, handler: Handler) -> nix::Result<Disposition> {
    let action = action(SigHandler::Handler(handler), SaFlags::SA_RESTART | SaFlags::SA_ONSTACK);
    exchange(signal as c_int, Some(&action)).map(Disposition)
}

/// Restores what [`install`] has replaced.
pub(crate) fn restore(signal: Signal, before: &Disposition) {
    let _ = exchange(signal as c_int, Some(&before.0));
}

/// Gives a signal its default disposition, by number since it may be a real-time signal. Async-signal-safe.
pub(crate) fn reset(signal: c_int) {
    let _ = exchange(signal, Some(&action(SigHandler::SigDfl, SaFlags::empty())));
}

/// Returns whether this handler is the installed one. Async-signal-safe.
pub(crate) fn is_installed(signal: Signal, handler: Handler) -> bool {
    exchange(signal as c_int, None).is_ok_and(|current| current.sa_sigaction == handler as libc::sighandler_t)
}

/// Returns whether a signal is ignored.
pub(crate) fn is_ignored(signal: c_int) -> bool {
    exchange(signal, None).is_ok_and(|current| current.sa_sigaction == libc::SIG_IGN)
}

fn action(handler: SigHandler, flags: SaFlags) -> sigaction {
    SigAction::new(handler, flags, SigSet::all()).into()
}

/// Returns the disposition of a signal, and replaces it if `new` is given.
fn exchange(signal: c_int, new: Option<&sigaction>) -> nix::Result<sigaction> {
    let mut old = MaybeUninit::<sigaction>::uninit();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `new` is null or leads to a live value whose handler is SIG_DFL, one that was installed before, or one
    // for which the caller of `install` vouches. `old` has room for the answer.
    Errno::result(unsafe { libc::sigaction(signal, new, old.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so it has filled `old`.
    Ok(unsafe { old.assume_init() })
}
