//! A pipe by which a signal handler wakes code that polls.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(not(target_os = "linux"))]
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{read, write};

use crate::sys::descriptor::{above_floor, nonblocking_pipe};
use crate::sys::file::FileId;
use crate::sys::interrupted::uninterrupted;

/// A pipe with both ends in this process. Neither end blocks.
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    id: FileId,
}

impl Pipe {
    pub(crate) fn new() -> nix::Result<Self> {
        let (reader, writer) = nonblocking_pipe()?;
        let (reader, writer) = (above_floor(reader)?, above_floor(writer)?);
        let id = FileId::of(&writer)?;
        Ok(Self { reader, writer, id })
    }

    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Makes the reader's end readable. Async-signal-safe.
    pub(crate) fn write(&self) {
        // A body that closes descriptors it does not know may have a file of its own under this number.
        if self.id.is_open_at(&self.writer) {
            let _ = uninterrupted(|| write(&self.writer, b"!"));
        }
    }
}

impl Pipe {
    /// Reads everything that there is.
    pub(crate) fn drain(&self) {
        let mut buffer = [0; 64];
        // A body that closes descriptors it does not know may have a file of its own under this number.
        while self.id.is_open_at(&self.reader)
            && matches!(read(&self.reader, &mut buffer), Ok(1..) | Err(Errno::EINTR))
        {}
    }

    /// Waits until there is something to read, at most for this long, rounded up to a millisecond.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_readable_within(&self, timeout: Option<Duration>) -> bool {
        crate::sys::descriptor::wait_readable([Some(self.reader())], timeout) == Ok([true])
    }
}
