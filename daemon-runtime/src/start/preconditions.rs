//! The conditions under which this process can fork a daemon.

use std::process;

use crate::command::error::{Error, Result};
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
    #[cfg(feature = "tokio")]
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(Error::failed(format_args!(
            "this is inside a tokio runtime, which doesn't survive a fork; build it in the daemon: \
             `#[daemon(..)] #[tokio::main] async fn ..`"
        )));
    }
    match proc::threads() {
        Some(count) if count > 1 => Err(Error::failed(format_args!(
            "this process has {count} threads, and a fork would keep only one; call this first in \
             `main`, before any thread or async runtime is started (with tokio: \
             `#[daemon(..)] #[tokio::main] async fn ..`)"
        ))),
        _ => Ok(()),
    }
}
