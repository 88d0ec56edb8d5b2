//! Signal handlers ([sigaction(2)](https://man7.org/linux/man-pages/man2/sigaction.2.html)).
//!
//! nix can install a handler, but cannot query which one is installed, and knows no real-time signal.

use std::ffi::{c_int, c_void};
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// A signal handler in its two forms, without and with the arguments of `SA_SIGINFO`.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) plain: extern "C" fn(c_int),
    pub(crate) with_info: extern "C" fn(c_int, *mut siginfo_t, *mut c_void),
}

impl Handler {
    fn is_at(self, address: libc::sighandler_t) -> bool {
        [self.plain as libc::sighandler_t, self.with_info as libc::sighandler_t].contains(&address)
    }
}

/// The handling of a signal before a handler of ours was installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disposition(SigAction);

impl Disposition {
    /// Returns whether this is a handler other than `ours`.
    pub(crate) fn is_handler_other_than(&self, ours: Handler) -> bool {
        match self.0.handler() {
            SigHandler::SigDfl | SigHandler::SigIgn => false,
            SigHandler::Handler(handler) => !ours.is_at(handler as libc::sighandler_t),
            SigHandler::SigAction(handler) => !ours.is_at(handler as libc::sighandler_t),
        }
    }

    /// Returns whether the first signal removes the handler (`SA_RESETHAND`).
    pub(crate) fn is_for_once(&self) -> bool {
        self.0.flags().contains(SaFlags::SA_RESETHAND)
    }

    fn takes_info(&self) -> bool {
        matches!(self.0.handler(), SigHandler::SigAction(_))
    }

    /// Calls the handler, if there is one. Async-signal-safe as far as the handler is.
    ///
    /// # Safety
    ///
    /// The call must come from a handler of the same signal, with that handler's arguments.
    pub(crate) unsafe fn call(&self, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        match self.0.handler() {
            SigHandler::SigDfl | SigHandler::SigIgn => {}
            SigHandler::Handler(handler) => handler(signal),
            SigHandler::SigAction(handler) => handler(signal, info, context),
        }
    }
}

/// Installs a handler that runs with all signals blocked and restarts interrupted calls.
///
/// This installs the plain form, because some programs pass a signal on only to such a handler. But if the replaced
/// handler takes the arguments of `SA_SIGINFO`, so does ours, and if it interrupts calls, so does ours.
///
/// # Safety
///
/// The handler must call only async-signal-safe functions
/// ([signal-safety(7)](https://man7.org/linux/man-pages/man7/signal-safety.7.html)) and must restore `errno`.
pub(crate) unsafe fn install(signal: Signal, handler: Handler) -> nix::Result<Disposition> {
    let install = |form, flags| replace(signal, &SigAction::new(form, flags, SigSet::all()));
    let flags = SaFlags::SA_RESTART | SaFlags::SA_ONSTACK;
    let before = Disposition(install(SigHandler::Handler(handler.plain), flags)?);
    if before.is_handler_other_than(handler) {
        let flags = SaFlags::SA_ONSTACK | before.0.flags() & SaFlags::SA_RESTART;
        install(
            if before.takes_info() {
                SigHandler::SigAction(handler.with_info)
            } else {
                SigHandler::Handler(handler.plain)
            },
            flags,
        )?;
    }
    Ok(before)
}

/// Gives a signal its default disposition, and returns the one before.
pub(crate) fn take(signal: Signal) -> nix::Result<Disposition> {
    replace(signal, &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty())).map(Disposition)
}

/// Restores what [`install`] or [`take`] has replaced.
pub(crate) fn restore(signal: Signal, before: Disposition) {
    let _ = replace(signal, &before.0);
}

fn replace(signal: Signal, new: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the handler is one that was installed before, or one for which the caller of `install` vouches.
    unsafe { sigaction(signal, new) }
}

/// Gives a signal its default disposition, by number since it may be a real-time signal. Async-signal-safe.
pub(crate) fn reset(signal: c_int) {
    let _ = exchange(signal, Some(&default_action()));
}

/// Returns whether this handler is the installed one. Async-signal-safe.
pub(crate) fn is_installed(signal: Signal, handler: Handler) -> bool {
    exchange(signal as c_int, None).is_ok_and(|current| handler.is_at(current.sa_sigaction))
}

/// Returns whether a signal is ignored, by number since it may be a real-time signal.
pub(crate) fn is_ignored(signal: c_int) -> bool {
    exchange(signal, None).is_ok_and(|current| current.sa_sigaction == libc::SIG_IGN)
}

fn default_action() -> libc::sigaction {
    SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty()).into()
}

/// Returns the disposition of a signal, and resets it if the default one is given.
fn exchange(signal: c_int, default: Option<&libc::sigaction>) -> nix::Result<libc::sigaction> {
    let mut old = default_action();
    let new = default.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `new` is null, which only asks, or leads to a live value without a handler. `old` is a live value.
    Errno::result(unsafe { libc::sigaction(signal, new, &raw mut old) })?;
    Ok(old)
}
