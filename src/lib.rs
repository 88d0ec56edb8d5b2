#![doc = include_str!("../README.md")]

pub use daemon_macros::{daemon, repeat_daemon};
pub use daemon_runtime::{
    Action, Answer, Body, BodyResult, Context, Daemon, Error, Event, IntoAction, Missed, OnError, Once,
    Outcome, Repeating, Result, Signal, report,
};
