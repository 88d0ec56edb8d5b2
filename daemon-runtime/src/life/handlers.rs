//! The signal handler of a daemon, installed for as many instances as need it.
//!
//! The handler calls async-signal-safe functions only
//! ([signal-safety(7)](https://man7.org/linux/man-pages/man7/signal-safety.7.html)): `getpid`, `sigaction`, futex(2),
//! `write`, `fstat`, `poll`, `read`, `clock_gettime`; for a call `socket`, `bind`, `listen`, `getsockname`, `fcntl`,
//! `accept`, `getsockopt`, `recv`, `send`, `close`; for a reload `stat`, `open`, `fcntl`, `dup2`, `close`; for the end
//! of the process `lstat`, `unlink`, `ftruncate`, `raise`, `pthread_sigmask`, `_exit`; for a service manager `send`. It
//! takes a lock only by `try_lock`, allocates nothing, restores `errno`, and acts only in the process that installed
//! it.
//!
//! A handler that the program has set earlier is called first. It then decides, in place of ours, whether a signal ends
//! a plain body: one without a `Context`.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::iter;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::libc::siginfo_t;
use nix::sys::signal::Signal;

use crate::life::instance;
use crate::lock::calls::WAKING;
use crate::sys::process::ProcessId;
use crate::sys::sigaction::{self, Disposition, Handler};

/// The signals that have our handler.
static INSTALLED: Mutex<Vec<Installed>> = Mutex::new(Vec::new());

struct Installed {
    signal: Signal,
    /// The process that installed it. A daemon that another daemon has started installs its own handler, above those
    /// that it inherits.
    owner: ProcessId,
    before: Disposition,
    /// The number of instances that need it.
    users: usize,
}

/// A handler of the program itself, below ours. Our handler may look at it at any time, so it is never freed.
struct Below {
    signal: Signal,
    handler: Disposition,
    /// Whether it decides if a signal ends a plain body. If the body of another daemon installed it, and then started
    /// this daemon, it decides about that other body only.
    decides: bool,
    is_active: AtomicBool,
    next: OnceLock<&'static Below>,
}

static BELOW: OnceLock<&'static Below> = OnceLock::new();

thread_local! {
    /// Whether this thread is in a handler below ours. Such a handler may call ours in turn, if a library installed it
    /// over an earlier handler of ours.
    static IS_BELOW: Cell<bool> = const { Cell::new(false) };
}

const OURS: Handler = Handler { plain: on_signal, with_info: on_signal_with_info };

extern "C" fn on_signal(number: c_int) {
    on_signal_with_info(number, ptr::null_mut(), ptr::null_mut());
}

extern "C" fn on_signal_with_info(number: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if IS_BELOW.get() {
        return;
    }
    let errno = Errno::last_raw();
    if let Ok(signal) = Signal::try_from(number) {
        let has_other = call_below(signal, info, context);
        let decides = || !has_other && sigaction::is_installed(signal, OURS);
        let mut has_instance = false;
        for instance in instance::current() {
            instance.receive(signal, &decides);
            has_instance = true;
        }
        // A child that the body has forked inherits the handler, but is not the daemon. It ends as it would without the
        // handler.
        if !has_instance && signal != WAKING && decides() {
            instance::end_by(signal);
        }
    }
    Errno::set_raw(errno);
}

/// Calls the program's own handler, and returns whether it decides if the signal ends a plain body.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
fn call_below(signal: Signal, info: *mut siginfo_t, context: *mut c_void) -> bool {
    let Some(below) = belows().find(|below| below.is_for(signal)) else { return false };
    IS_BELOW.set(true);
    // SAFETY: this is the handler of the same signal, and these are its arguments. They are null only if the handler
    // below takes none.
    unsafe { below.handler.call(signal as c_int, info, context) };
    IS_BELOW.set(false);
    if below.handler.is_for_once() {
        below.is_active.store(false, Ordering::Release);
    }
    below.decides
}

fn belows() -> impl Iterator<Item = &'static Below> {
    iter::successors(BELOW.get(), |below| below.next.get()).copied()
}

impl Below {
    fn is_for(&self, signal: Signal) -> bool {
        self.signal == signal && self.is_active.load(Ordering::Acquire)
    }

    /// Makes a handler the one below ours. It may have been below ours before.
    fn activate(signal: Signal, handler: Disposition, decides: bool) {
        let key = (signal, handler, decides);
        if let Some(known) = belows().find(|known| (known.signal, known.handler, known.decides) == key) {
            known.is_active.store(true, Ordering::Release);
            return;
        }
        let below =
            Self { signal, handler, decides, is_active: AtomicBool::new(true), next: OnceLock::new() };
        let below: &'static Self = Box::leak(Box::new(below));
        let mut link = &BELOW;
        while link.set(below).is_err() {
            link = &link.get().expect("a link that cannot be set is set").next;
        }
    }

    fn deactivate(signal: Signal) {
        for below in belows().filter(|below| below.signal == signal) {
            below.is_active.store(false, Ordering::Release);
        }
    }
}

/// Installs the handler, or counts one more instance that needs it.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
pub(crate) fn install(signal: Signal, owner: ProcessId) -> nix::Result<()> {
    let mut installed = lock();
    let is_child_of_daemon = installed.iter().any(|entry| entry.signal == signal && entry.owner != owner);
    installed.retain(|entry| entry.owner == owner);
    if let Some(entry) = installed.iter_mut().find(|entry| entry.signal == signal) {
        entry.users += 1;
        return Ok(());
    }
    // SAFETY: the handler calls only the async-signal-safe functions that this file lists, and restores errno. What the
    // program's own handler calls is as safe as before, when the system called it.
    let before = unsafe { sigaction::install(signal, OURS)? };
    if before.is_handler_other_than(OURS) {
        Below::deactivate(signal);
        Below::activate(signal, before, !is_child_of_daemon);
    }
    installed.push(Installed { signal, owner, before, users: 1 });
    Ok(())
}

/// Counts one instance less. After the last one, restores what was there before the first.
pub(crate) fn uninstall(signal: Signal) {
    let mut installed = lock();
    let Some(at) = installed.iter().position(|entry| entry.signal == signal) else { return };
    installed[at].users -= 1;
    if installed[at].users == 0 {
        let Installed { before, .. } = installed.swap_remove(at);
        if sigaction::is_installed(signal, OURS) {
            sigaction::restore(signal, before);
            Below::deactivate(signal);
        }
    }
}

fn lock() -> MutexGuard<'static, Vec<Installed>> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}
