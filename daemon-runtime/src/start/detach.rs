//! Detaching from the caller: its ignored signals, its descriptors, its directory.

use std::env::set_current_dir;
use std::os::fd::RawFd;
use std::os::unix::fs::chroot;

use nix::libc;
use nix::sys::stat::{self, Mode};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::sys::{descriptor, handler, proc};

/// Gives the default disposition to every signal that the caller ignored, as `nohup` does.
///
/// An exec passes on no other disposition, and the program's own handlers stay. SIGPIPE stays ignored, because Rust's
/// standard library relies on that.
pub(crate) fn reset_ignored_signals() {
    let mask = ignored_mask();
    for signal in 1..=64 {
        let is_ignored =
            mask.map_or_else(|| handler::is_ignored(signal), |mask| mask >> (signal - 1) & 1 == 1);
        if is_ignored && signal != libc::SIGPIPE {
            handler::reset(signal);
        }
    }
}

/// Reads the line `SigIgn:\t0000000000001000`, one call for all signals.
fn ignored_mask() -> Option<u64> {
    let status = proc::read("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"))?;
    // With very many groups the line may be cut, or beyond what was read.
    if mask.len() == 16 { u64::from_str_radix(mask, 16).ok() } else { None }
}

/// Closes every descriptor above 2 that this program has inherited: those without `FD_CLOEXEC`, which everything that
/// Rust opens has.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
pub(crate) fn close_inherited() {
    for fd in open_descriptors() {
        if fd > libc::STDERR_FILENO && descriptor::is_inheritable(fd) {
            // SAFETY: the descriptor lacks FD_CLOEXEC, so Rust has not opened it, and nothing in this program owns it.
            // A program that owns one without the flag is told to give `close_fds = false`. If it does not, its owner
            // finds the descriptor closed, and a second close meets none of ours, which are above the floor.
            unsafe { descriptor::close_inherited(fd) };
        }
    }
}

/// Lists the open descriptors, or all possible ones where they cannot be listed.
fn open_descriptors() -> Vec<RawFd> {
    match DESCRIPTORS.map(proc::descriptors) {
        Some(Ok(listed)) => listed,
        _ => (0..descriptor::open_max()).collect(),
    }
}

/// The directory that lists them. On the BSDs `/dev/fd` has only the first three unless fdescfs is mounted.
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

/// Leaves the caller's directory, so that its file system can be unmounted.
pub(crate) fn enter(directory: &SystemPath) -> Result<()> {
    set_current_dir(directory.as_path())
        .map_err(|error| Error::os(format_args!("cannot enter working_directory {directory}"), error))
}

/// Makes a directory the root of what this process sees, and enters it, because a current directory outside would lead
/// out again.
pub(crate) fn confine(root: &SystemPath) -> Result<()> {
    chroot(root.as_path())
        .and_then(|()| set_current_dir("/"))
        .map_err(|error| Error::os(format_args!("cannot confine the daemon to chroot {root}"), error))
}
