//! The guide: from the first daemon to the recipes, each example run by the tests.
//!
//! 1. [The tour](tour): a daemon, step by step.
//! 2. [The keys](keys): what each is for, with an example.
//! 3. [The actions](actions): what each does, says and exits with.
//! 4. [The promises](promises): what one can rely on, how it is kept, and which test shows it.
//! 5. [Migrating](migrating): from `daemonize`, from the Python module, from an init script.
//! 6. [The recipes](recipes): logrotate, jobs as cron has them, many instances, containers, systemd.
//!
//! Behind it: [what is promised, and against whom](security), [what differs on other systems](platform) and
//! [why it is built like this](design).
//!
//! The reference is beside it: [`daemon`](macro@crate::daemon) and [`repeat_daemon`](macro@crate::repeat_daemon) are the
//! attributes, [`Daemon`](crate::Daemon) is the builder that they expand to, and [`Context`](crate::Context) is what a
//! body hears by.
//!
//! # How to read the examples
//!
//! A line that begins with `$` is a command, typed as root; what follows is what it prints. PIDs and ages differ from
//! run to run, nothing else does; where the same PID is shown again, it is the same. A log is shown as it is once the
//! daemon has got there, so give it a moment before `cat`. A program that is shown is installed under the name that its
//! messages have, with `daemonic` among its dependencies.
//!
//! # Three words
//!
//! The *dispatcher* is the function that the attribute makes, or [`Daemon::dispatch`](crate::Daemon::dispatch): it takes
//! an action and does it. The *launcher* is the process in which `start` or `restart` was called; it waits for the daemon
//! and says what has become of it. The *holder* is the process that holds the pidfile's lock: the daemon.

#[doc = include_str!("guide/actions.md")]
pub mod actions {}

#[doc = "[platform]: crate::guide::platform"]
#[doc = "[security]: crate::guide::security"]
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[doc = include_str!("guide/keys.md")]
pub mod keys {}

#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}

#[doc = include_str!("../PLATFORM.md")]
pub mod platform {}

#[doc = include_str!("guide/promises.md")]
pub mod promises {}

#[doc = include_str!("guide/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../SECURITY.md")]
pub mod security {}

#[doc = include_str!("guide/tour.md")]
pub mod tour {}
