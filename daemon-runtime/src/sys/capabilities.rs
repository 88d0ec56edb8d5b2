//! Capabilities of this process ([capabilities(7)](https://man7.org/linux/man-pages/man7/capabilities.7.html)).

use nix::errno::Errno;
use nix::libc;

/// Returns whether this process has any capability that it could use.
pub(crate) fn has_any() -> nix::Result<bool> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    // Effective, permitted, inheritable: first the lower 32 capabilities, then the upper 32.
    let mut sets = [0_u32; 6];
    // SAFETY: version 3 of capget(2) reads two words at the first pointer and writes six at the second. Both arrays
    // have that size and outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    let [effective, permitted, _, upper_effective, upper_permitted, _] = sets;
    Ok(effective | permitted | upper_effective | upper_permitted != 0)
}
