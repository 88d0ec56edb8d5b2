//! The vocabulary of a command line: actions, their outcomes, errors, the values of keys.
//!
//! The only system calls here find out whether a directory is missing, for a message, and what `/proc` reports about a
//! daemon, for JSON. Only [`outcome::report`] prints.

pub(crate) mod account;
pub(crate) mod action;
pub(crate) mod children;
pub(crate) mod duration;
pub(crate) mod error;
pub(crate) mod escaped;
pub(crate) mod exit;
pub(crate) mod format;
pub(crate) mod into_action;
pub(crate) mod invocation;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "cron")]
pub(crate) mod next_run;
pub(crate) mod outcome;
pub(crate) mod path;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has the control channel"))]
pub(crate) mod report;
pub(crate) mod respawn;
pub(crate) mod signal;
#[cfg(feature = "json")]
pub(crate) mod snapshot;
#[cfg(feature = "clap")]
mod subcommand;
pub(crate) mod timestamp;
pub(crate) mod words;
