//! Cron expressions for [`daemonic`](https://docs.rs/daemonic), which is the crate to use.
//!
//! [`Cron`] is a checked expression. Its parser depends on nothing but std, so that macros can use it
//! at compile time: a [`ParseError`] names the [`Field`] and the bytes that are wrong.
//!
//! With the feature `zones`, a `Schedule` is an expression in a time `Zone`. It computes the next due
//! time by the rule of Debian's [cron(8)](https://manpages.debian.org/bookworm/cron/cron.8.en.html):
//!
//! - A run at a fixed hour and minute takes place exactly once when the clock jumps over its time or
//!   repeats it.
//! - A run with a `*` in the minute or the hour follows elapsed time: it is due whenever the clock
//!   shows such a time.
//! - A jump of more than three hours corrects the clock, and nothing is made up for.
//!
//! ```
//! use daemon_schedule::{Cron, Field};
//!
//! let cron: Cron = "*/15 9-17 * * MON-FRI".parse()?;
//! assert_eq!(cron.to_string(), "*/15 9-17 * * MON-FRI");
//!
//! let error = "0 24 * * *".parse::<Cron>().unwrap_err();
//! assert_eq!(error.field(), Some(Field::Hour));
//! assert_eq!(error.span(), 2..4);
//! assert_eq!(error.to_string(), "the hour `24` is out of range: use 0 to 23");
//! # Ok::<_, daemon_schedule::ParseError>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod calendar;
mod cron;
mod days;
mod error;
#[cfg(feature = "zones")]
mod local;
mod on_calendar;
mod parse;
#[cfg(feature = "zones")]
mod rule;
#[cfg(feature = "zones")]
mod schedule;
#[cfg(feature = "zones")]
mod search;
#[cfg(test)]
mod tests;
#[cfg(feature = "zones")]
mod time;
#[cfg(feature = "zones")]
mod zone;

pub use cron::Cron;
pub use error::{Field, ParseError, Reason};
#[cfg(feature = "zones")]
pub use local::LocalTime;
#[cfg(feature = "zones")]
pub use schedule::{Progress, Schedule, Step, Upcoming};
#[cfg(feature = "zones")]
pub use time::UnixSeconds;
#[cfg(feature = "zones")]
pub use zone::{Zone, ZoneError};

/// The example of the package's page, which runs as a test.
#[cfg(all(doctest, feature = "zones"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
