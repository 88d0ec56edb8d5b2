// Where the README's links lead in this documentation: the first definition of a label counts.
//! [async]: crate::guide::recipes#an-async-service-that-reloads-its-configuration
//! [benchmarks]: https://docs.rs/crate/daemonic/latest/source/BENCHMARKS.md
//! [check]: crate::guide::keys#check
//! [clap]: crate::guide::clap
//! [contributing]: https://docs.rs/crate/daemonic/latest/source/CONTRIBUTING.md
//! [design]: crate::guide::design
//! [examples]: crate::guide::examples
//! [guide]: crate::guide
//! [json]: crate::guide::json
//! [keys]: crate::guide::keys
//! [log]: crate::guide::log
//! [logrotate]: crate::guide::recipes#logrotate
//! [platform]: crate::guide::platform
//! [reload]: crate::guide::actions#reload
//! [security]: crate::guide::security
//! [service]: crate::guide::service
//! [supervision]: crate::guide::supervision
//! [testing]: https://docs.rs/crate/daemonic/latest/source/TESTING.md
//! [time]: crate::guide::time
#![doc = include_str!("../docs/life-cycle.md")]
#![doc = include_str!("../docs/peers.md")]
#![doc = include_str!("../README.md")]
//!
//! ## The guide
//!
//! [The tour](crate::guide::tour) · [the keys](crate::guide::keys) · [the actions](crate::guide::actions) ·
//! [supervision](crate::guide::supervision) · [time](crate::guide::time) · [the log](crate::guide::log) ·
//! [a service of systemd](crate::guide::service) · [the promises](crate::guide::promises) · [migrating](crate::guide::migrating) · [the recipes](crate::guide::recipes) ·
//! [JSON](crate::guide::json) · [a command line made by clap](crate::guide::clap) ·
//! [from one machine to many](crate::guide::deploy)

#[cfg(not(unix))]
compile_error!("daemonic makes Unix daemons: this system has no fork, no sessions and no signals for one");

// For the documentation only. Its examples are run by tests/docs/guide.rs, with the features that they need.
#[cfg(all(doc, not(doctest)))]
pub mod guide;

pub use daemon_macros::{daemon, repeat_daemon};
#[cfg(unix)]
pub use daemon_runtime::{
    Account, Action, Answer, Body, BodyResult, CheckArgument, CheckResult, Checked, Children, Clock, Context,
    Daemon, Error, Event, Every, Exit, IntoAction, Invocation, Missed, OnError, Once, Outcome, Repeating,
    Repeats, Respawn, RespawnBody, Respawning, Result, RunArgument, SetupResult, Signal, WithSetup,
    program_name, report,
};
#[cfg(all(unix, feature = "cron"))]
pub use daemon_runtime::{Cron, NextRun};
#[cfg(all(unix, feature = "service"))]
pub use daemon_runtime::{Hardening, Unit};
