//! Supplementary groups on Apple's systems, for which nix has no call.

use std::ffi::c_int;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::Gid;

/// Sets the supplementary groups of this process.
pub(crate) fn set(groups: &[Gid]) -> nix::Result<()> {
    let groups: Vec<libc::gid_t> = groups.iter().map(|gid| gid.as_raw()).collect();
    let count = c_int::try_from(groups.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer leads to `count` group numbers, which outlive the call.
    Errno::result(unsafe { libc::setgroups(count, groups.as_ptr()) }).map(drop)
}
