//! What a process leaves behind on its way to being a daemon: what its caller has ignored, has left
//! open, and where it stood.

use std::env::set_current_dir;
use std::ffi::CStr;
use std::os::fd::RawFd;
use std::os::unix::fs::chroot;

use nix::libc;

use crate::error::{Error, Result, as_path, shown};
use crate::{proc, sys};

/// Refuses a process that can't have a daemon. One with more than one thread, since a fork keeps only the calling one:
/// the locks that the others hold stay locked for ever, and a runtime's workers are gone. And the first one of a
/// container, which the kernel ends with it.
pub(crate) fn refuse_to_fork() -> Result<()> {
    if std::process::id() == 1 {
        return Err(Error::failed(format_args!(
            "this is process 1, with which its container ends and the daemon too; use the action `run`"
        )));
    }
    #[cfg(feature = "tokio")]
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(Error::failed(format_args!(
            "this is inside a tokio runtime, which doesn't survive a fork; build it in the daemon: \
             `#[daemon(..)] #[tokio::main] async fn ..`"
        )));
    }
    match threads() {
        Some(count) if count > 1 => Err(Error::failed(format_args!(
            "this process has {count} threads, and a fork would keep only one; call this first in \
             `main`, before any thread or async runtime is started (with tokio: \
             `#[daemon(..)] #[tokio::main] async fn ..`)"
        ))),
        _ => Ok(()),
    }
}

/// Counts the threads, where `/proc` is mounted: the directory has two links of its own and one for
/// each thread's.
#[cfg(target_os = "linux")]
fn threads() -> Option<libc::nlink_t> {
    let links = sys::stat(c"/proc/self/task").ok()?.st_nlink;
    links.checked_sub(2)
}

/// No call tells it that all of these systems have.
#[cfg(not(target_os = "linux"))]
fn threads() -> Option<u64> {
    None
}

/// Gives the default disposition to every signal that the caller had ignored, as `nohup` does.
///
/// An exec inherits nothing else of the caller's; what this program has installed stays. SIGPIPE stays
/// ignored, since Rust's standard library counts on it.
pub(crate) fn undo_ignored_signals() {
    let mask = ignored_mask();
    for signal in 1..=64 {
        let is_ignored = mask.map_or_else(|| sys::is_ignored(signal), |mask| mask >> (signal - 1) & 1 == 1);
        if is_ignored && signal != libc::SIGPIPE {
            let _ = sys::reset_to_default(signal);
        }
    }
}

/// Reads the line `SigIgn:\t0000000000001000`, in one call for all signals.
fn ignored_mask() -> Option<u64> {
    let status = proc::read(format_args!("self/status"))?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"))?;
    // With very many groups the line may be beyond what was read, or cut.
    if mask.len() == 16 { u64::from_str_radix(mask, 16).ok() } else { None }
}

/// Closes every descriptor above 2 that came from whoever ran this program: those that lack
/// `FD_CLOEXEC`, which all that Rust opens has.
pub(crate) fn close_inherited() {
    for fd in open_descriptors() {
        if fd > 2 && sys::is_inheritable(fd) {
            sys::close_inherited(fd);
        }
    }
}

/// Lists the open descriptors, or at least all that may be.
fn open_descriptors() -> Vec<RawFd> {
    match DESCRIPTORS.map(proc::descriptors) {
        Some(Ok(listed)) => listed,
        _ => (0..sys::open_max()).collect(),
    }
}

/// The folder that lists them. On the BSDs `/dev/fd` has only the first three unless fdescfs is mounted.
const DESCRIPTORS: Option<&str> = match () {
    #[cfg(target_os = "linux")]
    () => Some("/proc/self/fd"),
    #[cfg(target_vendor = "apple")]
    () => Some("/dev/fd"),
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    () => None,
};

/// Sets the permissions that no file of this process gets.
pub(crate) fn set_umask(mask: u32) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "mode_t has 16 bits elsewhere"
    )]
    sys::set_umask((mask & 0o777) as libc::mode_t);
}

/// Leaves the caller's directory, so that its file system can be unmounted.
pub(crate) fn enter(directory: &CStr) -> Result<()> {
    let cannot =
        |error| Error::io(format_args!("cannot enter working_directory {}", shown(directory)), &error);
    set_current_dir(as_path(directory)).map_err(cannot)
}

/// Makes a folder the root of what this process sees, and enters it, since a directory outside is a way out.
pub(crate) fn confine(root: &CStr) -> Result<()> {
    let cannot =
        |error| Error::io(format_args!("cannot confine the daemon to chroot {}", shown(root)), &error);
    chroot(as_path(root)).and_then(|()| set_current_dir("/")).map_err(cannot)
}
