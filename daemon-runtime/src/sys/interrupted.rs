//! Retrying a system call that a signal handler has interrupted.

use nix::errno::Errno;

/// Makes a call again until it ends otherwise than with `EINTR`. Async-signal-safe if the call is.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
