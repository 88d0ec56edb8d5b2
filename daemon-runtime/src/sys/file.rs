//! Files by path or descriptor, with the identity that a path cannot fake.

use std::ffi::CStr;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{FileStat, SFlag, fstat, lstat, stat};

/// The identity of a file, whatever its path: its device and its inode.
///
/// Compare it before you open a file that could be the pidfile: closing any descriptor of the pidfile drops the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    dev: libc::dev_t,
    ino: libc::ino_t,
}

impl FileId {
    pub(crate) fn new(stat: &FileStat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino }
    }

    pub(crate) fn of(file: impl AsFd) -> nix::Result<Self> {
        fstat(file).map(|stat| Self::new(&stat))
    }

    /// Returns whether `path` itself, not what it links to, is this file. Async-signal-safe.
    pub(crate) fn is_at(self, path: &CStr) -> bool {
        lstat(path).is_ok_and(|stat| Self::new(&stat) == self)
    }

    /// Returns whether `path`, or what it links to, is this file.
    pub(crate) fn is_behind(self, path: &CStr) -> bool {
        stat(path).is_ok_and(|stat| Self::new(&stat) == self)
    }

    /// Returns whether the descriptor is open on this file. Async-signal-safe.
    pub(crate) fn is_open_at(self, file: impl AsFd) -> bool {
        Self::of(file).is_ok_and(|id| id == self)
    }

    /// Returns whether the descriptor may be open on this file. If the system does not say, it may be.
    /// Async-signal-safe.
    pub(crate) fn may_be_open_at(self, file: impl AsFd) -> bool {
        // A failure other than EBADF leaves the descriptor open.
        Self::of(file).map_or_else(|errno| errno != Errno::EBADF, |id| id == self)
    }
}

/// Returns the word for the type of a file that is not a regular one.
pub(crate) fn name_of_type(file_type: SFlag) -> &'static str {
    match file_type {
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFIFO => "FIFO",
        SFlag::S_IFSOCK => "socket",
        _ => "device",
    }
}

/// Returns the type of a file: `S_IFREG`, `S_IFDIR`, and so on.
pub(crate) fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}
