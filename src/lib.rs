//! Attribute macros that turn a function into a Unix daemon with a command line.

pub use daemon_macros::{daemon, repeat_daemon};
pub use daemon_runtime::*;
