//! The supervisor of a body that may be started again, or whose children end with it.
//!
//! Code here runs in the process that holds the pidfile. That process has one thread, calls none of the user's code,
//! and sleeps until something happens.

pub(crate) mod descendants;
pub(crate) mod end;
pub(crate) mod life;
pub(crate) mod memory;
pub(crate) mod requests;
pub(crate) mod stop;
pub(crate) mod supervisor;
