//! The runtime of [`daemonic`](https://docs.rs/daemonic), which is the crate to use: it forks, locks,
//! signals and repeats.
#![cfg(unix)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
#[cfg(feature = "tokio")]
mod async_context;
mod body;
mod context;
mod daemon;
mod detach;
mod error;
mod holder;
mod identity;
mod launch;
mod outcome;
mod pidfile;
mod pipe;
mod proc;
mod readiness;
mod repeat;
mod settings;
mod signals;
mod span;
mod stdio;
mod stop;
mod supervisor;
mod sys;
mod word;

pub use action::{Action, IntoAction};
pub use body::{Body, BodyResult, Once};
pub use context::{Context, Event};
pub use daemon::Daemon;
pub use error::{Error, Result};
pub use identity::Account;
pub use outcome::{Answer, Outcome, report};
pub use repeat::{Missed, OnError, Repeating};
pub use signals::Signal;
