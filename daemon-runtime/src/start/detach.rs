//! Detaching from the caller: its ignored signals, its descriptors, its directory.

use std::env::set_current_dir;
use std::os::fd::RawFd;
use std::os::unix::fs::chroot;

use nix::libc;
use nix::sys::stat::{self, Mode};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::sys::procfs::Status;
use crate::sys::{descriptor, procfs, sigaction};

/// Resets every signal that the caller ignores, such as SIGHUP after `nohup`, to its default disposition.
///
/// These are the only dispositions of the caller that an exec passes on. The program's own handlers stay. SIGPIPE stays
/// ignored, because Rust's standard library relies on that.
pub(crate) fn reset_ignored_signals(caller: &Status) {
    for signal in 1..=64 {
        let is_ignored = caller
            .ignored
            .map_or_else(|| sigaction::is_ignored(signal), |ignored| procfs::has_signal(ignored, signal));
        if is_ignored && signal != libc::SIGPIPE {
            sigaction::reset(signal);
        }
    }
}

/// Closes every descriptor above 2 that this program has inherited.
///
/// An inherited descriptor lacks `FD_CLOEXEC`, which Rust sets on everything that it opens.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
pub(crate) fn close_inherited(caller: &Status) {
    for fd in open_descriptors(caller) {
        if fd > libc::STDERR_FILENO && descriptor::is_inheritable(fd) {
            // SAFETY: the descriptor lacks FD_CLOEXEC, so std has not opened it. The documentation of `close_fds` makes
            // it the caller's duty that nothing else in the program owns such a descriptor.
            unsafe { descriptor::close_inherited(fd) };
        }
    }
}

/// Lists the open descriptors, or all possible ones where they cannot be listed.
///
/// Most processes have few descriptors, which one call of poll(2) examines. Reading a directory takes several calls.
fn open_descriptors(caller: &Status) -> Vec<RawFd> {
    const FEW: RawFd = 1024;
    let end = caller.descriptors_end.filter(|end| *end <= FEW);
    if let Some(Ok(open)) = end.map(descriptor::open_below) {
        return open;
    }
    match DESCRIPTORS.map(procfs::descriptors) {
        Some(Ok(listed)) => listed,
        _ => (0..descriptor::open_max()).collect(),
    }
}

/// The directory that lists the open descriptors. On the BSDs `/dev/fd` has only the first three unless fdescfs is
/// mounted.
const DESCRIPTORS: Option<&str> = match () {
    #[cfg(target_os = "linux")]
    () => Some("/proc/self/fd"),
    #[cfg(target_vendor = "apple")]
    () => Some("/dev/fd"),
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    () => None,
};

/// Sets the permissions that new files do not get.
pub(crate) fn set_umask(mask: u32) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "mode_t has 16 bits elsewhere"
    )]
    stat::umask(Mode::from_bits_truncate(mask as libc::mode_t));
}

/// Enters a directory, so that the file system of the caller's directory can be unmounted.
pub(crate) fn enter(directory: &SystemPath) -> Result<()> {
    set_current_dir(directory.as_path())
        .map_err(|error| Error::io(format_args!("cannot enter working_directory {directory}"), &error))
}

/// Enters the root directory, which is never unmounted.
pub(crate) fn enter_root() -> Result<()> {
    set_current_dir("/").map_err(|error| Error::io(format_args!("cannot enter the root directory"), &error))
}

/// Makes a directory the root directory of this process. Enters it too, because a current directory outside would lead
/// out again.
pub(crate) fn confine(root: &SystemPath) -> Result<()> {
    chroot(root.as_path())
        .and_then(|()| set_current_dir("/"))
        .map_err(|error| Error::io(format_args!("cannot confine the daemon to chroot {root}"), &error))
}
