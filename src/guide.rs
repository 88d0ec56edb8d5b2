//! The guide, from a first daemon to recipes for production. The tests run every example in it.
//!
//! 1. [The tour](tour): a daemon, step by step.
//! 2. [The keys](keys): what each key does, with an example.
//! 3. [The actions](actions): what each action does, prints and exits with.
//! 4. [Supervision](supervision): how the body is started again, and what it has started is ended.
//! 5. [Time](time): runs at times of day, changes of clocks, suspend, missed runs.
//! 6. [The log](log): what the daemon reports about itself, as lines or as events of `tracing`.
//! 7. [A service of systemd](service): the unit that a program makes for itself.
//! 8. [The promises](promises): what you can rely on, how it is kept, and which test proves it.
//! 9. [Migrating](migrating): from `daemonize`, from the Python module, or from an init script.
//! 10. [The recipes](recipes): logrotate, cron jobs, many instances, a daemon that runs a program,
//!    containers and systemd.
//! 11. [JSON](json): the state of a daemon, for programs.
//! 12. [A command line made by clap](clap): the actions beside a program's own options.
//! 13. [From one machine to many](deploy): images, Kubernetes, Nomad and systemd templates.
//!
//! [The examples](examples) are complete programs to start from. Three more pages give the
//! background: [security], with the attackers and the limits; [platform], with the differences
//! between systems; and [design], with the decisions.
//!
//! For reference, see the attributes [`daemon`](macro@crate::daemon) and
//! [`repeat_daemon`](macro@crate::repeat_daemon), the builder [`Daemon`](crate::Daemon) that they
//! expand to, and [`Context`](crate::Context), through which a body receives stops and reloads.
//!
//! # How to read the examples
//!
//! A line that begins with `$` is a command, run as root. The lines below it are its output. PIDs,
//! times and ages vary from run to run, and nothing else does. Within a section, equal PIDs belong to the
//! same process. A daemon may need a moment before its log looks as shown. Each program depends on
//! `daemonic`, and is installed under the name that the commands use.
//!
//! # Terms
//!
//! - The *body* is the function that runs in the daemon.
//! - The *dispatcher* is the function that takes an action and carries it out. The attribute
//!   generates it; for the builder it is [`Daemon::dispatch`](crate::Daemon::dispatch).
//! - The *launcher* is the process that calls `start` or `restart`. It waits until the daemon is
//!   ready or has failed.
//! - The *pidfile* is the file that the daemon locks for as long as it runs. It contains the PID.
//! - The *holder* is the process that holds the lock on the pidfile: the daemon.
//! - The *supervisor* is the daemon if [`respawn`](keys#respawn) or [`children`](keys#children) make
//!   it the parent of the body's process. A *life* of the body is one such process.
//! - A *stale* pidfile is one that a dead daemon has left behind.
//! - The daemon is *ready* when it is set up and about to call the body, or with
//!   [`wait_ready`](keys#wait_ready), when the body has called
//!   [`Context::ready`](crate::Context::ready).

#[doc = include_str!("guide/actions.md")]
pub mod actions {}

#[doc = include_str!("guide/clap.md")]
pub mod clap {}

#[doc = include_str!("guide/deploy.md")]
pub mod deploy {}

#[doc = "[platform]: crate::guide::platform"]
#[doc = "[security]: crate::guide::security"]
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[doc = include_str!("../examples/README.md")]
pub mod examples {}

#[doc = include_str!("guide/json.md")]
pub mod json {}

#[doc = include_str!("guide/keys.md")]
pub mod keys {}

#[doc = include_str!("guide/log.md")]
pub mod log {}

#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}

#[doc = "[design]: crate::guide::design"]
#[doc = include_str!("../PLATFORM.md")]
pub mod platform {}

#[doc = include_str!("guide/promises.md")]
pub mod promises {}

#[doc = include_str!("guide/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../SECURITY.md")]
pub mod security {}

#[doc = include_str!("guide/service.md")]
pub mod service {}

#[doc = include_str!("guide/supervision.md")]
pub mod supervision {}

#[doc = include_str!("guide/time.md")]
pub mod time {}

#[doc = include_str!("guide/tour.md")]
pub mod tour {}
