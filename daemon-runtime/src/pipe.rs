//! A pipe to one's own process: how a signal handler wakes whoever polls.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::write;

use crate::sys::{self, FileId, Sys};

/// A pipe of which both ends are here. Neither blocks.
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    id: FileId,
}

impl Pipe {
    pub(crate) fn new() -> Sys<Self> {
        let (reader, writer) = sys::nonblocking_pipe()?;
        let (reader, writer) = (sys::above_floor(reader)?, sys::above_floor(writer)?);
        let id = FileId::from_stat(&sys::fstat(&writer)?);
        Ok(Self { reader, writer, id })
    }

    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Makes the reader's end readable. Async-signal-safe.
    pub(crate) fn write(&self) {
        // A body that closes what it doesn't know may have a file of its own under the number by now.
        if sys::fstat(&self.writer).is_ok_and(|stat| self.id.is_of(&stat)) {
            while write(&self.writer, b"!") == Err(Errno::EINTR) {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Pipe {
    /// Waits until there is something to read, for ever or for this long, rounded up to a millisecond.
    pub(crate) fn is_readable_within(&self, left: Option<std::time::Duration>) -> bool {
        sys::await_input([Some(self.reader()), None], left) == Ok([true, false])
    }

    /// Reads all that there is.
    pub(crate) fn drain(&self) {
        let mut buffer = [0; 64];
        while matches!(nix::unistd::read(&self.reader, &mut buffer), Ok(1..) | Err(Errno::EINTR)) {}
    }
}
