//! The pidfile's lock: holding it, finding its holder, stopping the holder.
//!
//! The kernel's lock decides whether a daemon is running, never the text of the pidfile. Code here may signal other
//! processes, but only the lock's holder and the process of its body.

pub(crate) mod answer;
pub(crate) mod bytes;
pub(crate) mod caller;
pub(crate) mod calls;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has the control channel"))]
pub(crate) mod channel;
pub(crate) mod conversation;
pub(crate) mod failure;
pub(crate) mod held;
pub(crate) mod holder;
pub(crate) mod look;
pub(crate) mod pidfile;
pub(crate) mod ready;
pub(crate) mod registry;
pub(crate) mod removal;
pub(crate) mod retry;
pub(crate) mod siblings;
pub(crate) mod sight;
pub(crate) mod stop;
