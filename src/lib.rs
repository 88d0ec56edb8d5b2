#![doc = include_str!("../README.md")]

#[cfg(not(unix))]
compile_error!("daemonic makes Unix daemons: this system has no fork, no sessions and no signals for one");

pub use daemon_macros::{daemon, repeat_daemon};
#[cfg(unix)]
pub use daemon_runtime::{
    Action, Answer, Body, BodyResult, Context, Daemon, Error, Event, IntoAction, Missed, OnError, Once,
    Outcome, Repeating, Result, Signal, report,
};
