//! The runtime of [`daemonic`](https://docs.rs/daemonic), which is the crate to use.
//!
//! It forks, locks, handles signals, and repeats.
#![cfg(unix)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod command;
mod daemon;
mod life;
mod lock;
mod logs;
mod progress;
#[cfg(feature = "service")]
mod service;
mod settings;
mod start;
mod supervise;
mod sys;
mod timing;
#[cfg(feature = "service")]
mod unit_file;

pub use command::account::Account;
pub use command::action::Action;
pub use command::children::Children;
pub use command::error::Error;
pub use command::exit::Exit;
pub use command::into_action::IntoAction;
pub use command::invocation::Invocation;
#[cfg(feature = "cron")]
pub use command::next_run::NextRun;
pub use command::outcome::{Answer, Outcome, Result, report};
pub use command::respawn::Respawn;
pub use command::signal::Signal;
pub use daemon::Daemon;
pub use life::body::{Body, BodyResult, Once};
pub use life::check::{CheckArgument, CheckResult, Checked};
pub use life::context::{Context, Event};
pub use life::pace::Missed;
pub use life::repeat::{OnError, Repeating, RunArgument};
pub use life::repeats::Repeats;
pub use life::respawning::{RespawnBody, Respawning};
pub use life::setup::{SetupResult, WithSetup};
#[cfg(feature = "service")]
#[cfg_attr(docsrs, doc(cfg(feature = "service")))]
pub use service::{hardening::Hardening, unit::Unit};
pub use sys::program::program_name;
#[cfg(feature = "cron")]
pub use timing::Cron;
pub use timing::{Clock, Every};
