//! A daemon's life: its body, its context, its signals, its streams.
//!
//! Code here runs in the daemon. A signal handler may call what is marked as async-signal-safe, and must not block.

pub(crate) mod alarm;
#[cfg(feature = "tokio")]
pub(crate) mod async_context;
pub(crate) mod backoff;
pub(crate) mod body;
#[cfg(feature = "cron")]
pub(crate) mod calendar;
pub(crate) mod catch_up;
pub(crate) mod check;
pub(crate) mod context;
pub(crate) mod deferred;
pub(crate) mod due;
pub(crate) mod event;
pub(crate) mod flag;
pub(crate) mod guard;
pub(crate) mod handlers;
pub(crate) mod in_unit;
pub(crate) mod instance;
pub(crate) mod last_success;
pub(crate) mod log;
pub(crate) mod nested_runtime;
pub(crate) mod notice;
pub(crate) mod notify;
pub(crate) mod occasion;
pub(crate) mod panic;
pub(crate) mod period;
pub(crate) mod readiness;
pub(crate) mod reload;
pub(crate) mod reloads;
pub(crate) mod repeat;
pub(crate) mod repeats;
pub(crate) mod repetition;
pub(crate) mod respawning;
pub(crate) mod retry;
pub(crate) mod run_counts;
pub(crate) mod run_timeout;
pub(crate) mod self_pipe;
pub(crate) mod setup;
pub(crate) mod state;
pub(crate) mod streams;
#[cfg(not(feature = "tokio"))]
pub(crate) mod without_tokio;
pub(crate) mod woken;
pub(crate) mod word;
