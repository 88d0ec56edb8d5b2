//! The conditions under which this process can fork a daemon.

use std::fmt::Display;
use std::process;
use std::thread::sleep;
use std::time::Duration;

use crate::command::error::{Error, Result, list};
use crate::life::nested_runtime;
use crate::sys::clock::now;
use crate::sys::process::SingleThread;
use crate::sys::procfs::{self, Status};

/// A process that can be forked, with its status just before the fork. A child that needs the status uses this copy,
/// which costs less than reading it again.
pub(crate) struct Forkable {
    pub(crate) thread: SingleThread,
    pub(crate) status: Status,
}

/// Refuses a process that cannot start a daemon.
///
/// A fork keeps only the calling thread: the locks of the others stay locked forever, and a runtime's workers are gone.
/// When process 1 of a container ends, the kernel ends all its other processes.
pub(crate) fn check() -> Result<Forkable> {
    if process::id() == 1 {
        return Err(Error::failed(format_args!(
            "this is process 1; the container, and the daemon with it, would end when this process does; \
             use the action `run`"
        )));
    }
    if nested_runtime::is_inside() {
        return Err(inside_runtime());
    }
    check_threads()
}

/// Refuses a process that cannot fork a body while it stays in the foreground.
pub(crate) fn check_in_foreground() -> Result<Forkable> {
    if nested_runtime::is_inside() { Err(inside_runtime()) } else { check_threads() }
}

/// Refuses a process with more than one thread.
#[allow(unsafe_code, reason = "calls a function whose precondition is proved here")]
fn check_threads() -> Result<Forkable> {
    let deadline = now() + JOINING;
    loop {
        let status = Status::read("self").unwrap_or_default();
        match status.threads {
            Some(count) if count > 1 && now() < deadline => sleep(PAUSE),
            Some(count) if count > 1 => return Err(has_threads(count)),
            // SAFETY: the system counts one thread. Where it does not count them, the documentation of `start` makes it
            // the caller's duty. No code of the caller runs between this check and the last fork in this process.
            _ => return Ok(Forkable { thread: unsafe { SingleThread::assume() }, status }),
        }
    }
}

/// The time for which the kernel may still count a thread that has been joined.
const JOINING: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(1);

fn has_threads(count: impl Display) -> Error {
    let names = procfs::thread_names();
    let names = list(names.iter().map(String::as_str));
    Error::failed(format_args!(
        "this process has {count} threads ({names}), and a fork would keep only one; call this first in `main`, before \
         any thread or async runtime is started (with tokio: no `#[tokio::main]` on `main`, but \
         `#[daemon(..)] #[tokio::main] async fn ..`); if it is the \
         first already, the threads may belong to an allocator, a preloaded library or an emulator: do without it, or \
         use the action `run`"
    ))
}

/// Makes the error that refuses, inside a runtime, a fork or a body that builds a runtime of its own.
pub(crate) fn inside_runtime() -> Error {
    Error::failed(format_args!(
        "this is inside a tokio runtime, which does not survive a fork; remove `#[tokio::main]` from `main` (or call \
         this before the runtime is built), and keep it on the daemon's fn: \
         `#[daemon(..)] #[tokio::main] async fn ..`"
    ))
}
