//! System calls: one file for each kind.
//!
//! This is the only directory with `unsafe` blocks, for the calls that neither std nor nix has. A safe function here is
//! sound for every input. A function with a precondition that the compiler cannot check is an `unsafe fn`; its callers
//! in `start/` and `life/` prove the precondition.
#![allow(unsafe_code, reason = "system calls that neither std nor nix has")]

#[cfg(target_os = "linux")]
pub(crate) mod capabilities;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod family;
pub(crate) mod file;
#[cfg(target_os = "linux")]
pub(crate) mod futex;
#[cfg(target_vendor = "apple")]
pub(crate) mod groups;
pub(crate) mod interrupted;
pub(crate) mod mask;
pub(crate) mod pidfd;
pub(crate) mod process;
pub(crate) mod procfs;
pub(crate) mod program;
pub(crate) mod record_lock;
pub(crate) mod sigaction;
pub(crate) mod signal_queue;
pub(crate) mod timer;
