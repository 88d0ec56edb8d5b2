//! The conditions under which this process can fork a daemon.

use std::process;

use crate::command::error::{Error, Result};
use crate::life::nested_runtime;
use crate::sys::proc;

/// Refuses a process that cannot have a daemon.
///
/// A fork keeps only the calling thread: the locks of the others stay locked forever, and a runtime's workers are gone.
/// The kernel ends all processes of a container with its process 1.
pub(crate) fn check() -> Result<()> {
    if process::id() == 1 {
        return Err(Error::failed(format_args!(
            "this is process 1; the container, and the daemon with it, would end when this process does; \
             use the action `run`"
        )));
    }
    if nested_runtime::is_inside() {
        return Err(inside_runtime());
    }
    match proc::threads() {
        Some(count) if count > 1 => Err(Error::failed(format_args!(
            "this process has {count} threads, and a fork would keep only one; call this first in \
             `main`, before any thread or async runtime is started (with tokio: no \
             `#[tokio::main]` on `main`, but `#[daemon(..)] #[tokio::main] async fn ..`)"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a body that needs a runtime of its own, or a fork, inside a runtime.
pub(crate) fn inside_runtime() -> Error {
    Error::failed(format_args!(
        "this is inside a tokio runtime, which does not survive a fork; remove `#[tokio::main]` from `main` (or call \
         this before the runtime is built), and keep it on the daemon's fn: \
         `#[daemon(..)] #[tokio::main] async fn ..`"
    ))
}
