//! The way from `start` to a daemon that is ready.
//!
//! Code here may fork. Everything that can fail in the launcher is checked there before the fork.

pub(crate) mod detach;
pub(crate) mod fork;
pub(crate) mod identity;
pub(crate) mod launcher;
pub(crate) mod preconditions;
pub(crate) mod startup;
pub(crate) mod state_directory;
