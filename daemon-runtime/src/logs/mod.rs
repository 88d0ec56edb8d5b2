//! The daemon's log: its file, its last lines, the lines that are added to it.
//!
//! Code here only reads.

pub(crate) mod file;
pub(crate) mod follow;
pub(crate) mod tail;
pub(crate) mod watch;
