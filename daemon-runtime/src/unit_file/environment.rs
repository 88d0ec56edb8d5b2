//! The variables by which a unit of ours informs its process of what systemd does for it.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// The variable that only a unit of ours sets. A unit that a person has written may leave respawning, the chroot and
/// the repetition to this crate, so the variables of systemd alone do not suffice.
const VARIABLE: &str = "DAEMONIC_UNIT";

static IN_SERVICE: AtomicBool = AtomicBool::new(false);
static BY_TIMER: AtomicBool = AtomicBool::new(false);

/// What starts a unit's process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The unit itself, for as long as the daemon lives.
    Service,
    /// A timer, once for each run.
    Timer,
}

/// The line of a unit of ours that sets the variable.
pub(crate) struct Mark<'a>(pub(crate) Kind, pub(crate) &'a str);

impl fmt::Display for Mark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment={VARIABLE}={}", self.value())
    }
}

impl Mark<'_> {
    fn value(&self) -> String {
        let Self(kind, name) = self;
        match kind {
            Kind::Service => format!("service:{name}"),
            Kind::Timer => format!("timer:{name}"),
        }
    }
}

/// Notes whether this process is the main process of the daemon's unit. Children inherit the answer.
pub(crate) fn enter(name: &str) -> bool {
    let is =
        |kind| is_main_process() && env::var(VARIABLE).is_ok_and(|value| value == Mark(kind, name).value());
    let by_timer = is(Kind::Timer);
    let in_service = by_timer || is(Kind::Service);
    BY_TIMER.store(by_timer, Ordering::Relaxed);
    IN_SERVICE.store(in_service, Ordering::Relaxed);
    in_service
}

/// Returns whether systemd itself has started this process
/// ([systemd.exec(5)](https://man7.org/linux/man-pages/man5/systemd.exec.5.html)).
fn is_main_process() -> bool {
    let pid = env::var("SYSTEMD_EXEC_PID").ok().and_then(|pid| pid.parse().ok());
    env::var_os("INVOCATION_ID").is_some() && pid == Some(process::id())
}

/// Returns whether the unit starts the daemon again, and shows its failures.
pub(crate) fn is_in_service() -> bool {
    IN_SERVICE.load(Ordering::Relaxed)
}

/// Returns whether a timer starts each run.
pub(crate) fn is_by_timer() -> bool {
    BY_TIMER.load(Ordering::Relaxed)
}

/// Returns the unit's own directory below `/run`, the first if there are several.
pub(crate) fn runtime_directory() -> Option<PathBuf> {
    first_of("RUNTIME_DIRECTORY")
}

/// Returns the unit's own directory below `/var/lib`, the first if there are several.
pub(crate) fn state_directory() -> Option<PathBuf> {
    first_of("STATE_DIRECTORY")
}

fn first_of(variable: &str) -> Option<PathBuf> {
    let directories = env::var_os(variable)?;
    env::split_paths(&directories).next().filter(|directory| directory.is_absolute())
}
