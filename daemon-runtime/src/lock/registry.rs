//! The pidfiles that this process holds, or that its supervisor holds for it.
//!
//! A forked child inherits the list but not the locks, so each entry names its process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::stat::lstat;
use nix::unistd::Pid;

use crate::command::path::SystemPath;
use crate::sys::file::FileId;
use crate::sys::process::ProcessId;

static HELD: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

struct Entry {
    owner: ProcessId,
    /// The daemon: this process or its supervisor.
    daemon: Pid,
    id: FileId,
    path: SystemPath,
    /// Descriptors that must stay open as long as the lock lasts.
    probes: Vec<OwnedFd>,
}

/// The locked list.
pub(crate) struct Registry(MutexGuard<'static, Vec<Entry>>);

impl Registry {
    pub(crate) fn lock() -> Self {
        Self(HELD.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the daemon, without opening the file, if this process or its supervisor holds the file at a path.
    ///
    /// Inside a chroot the path may not exist, so an entry's own path counts too.
    pub(crate) fn daemon_at(&self, path: &SystemPath) -> Option<Pid> {
        if self.0.is_empty() {
            return None;
        }
        let (this, found) = (ProcessId::current(), lstat(path.as_c_str()));
        let is_at = |entry: &Entry| match found {
            Ok(stat) => entry.id == FileId::new(&stat),
            Err(_) => entry.path == *path,
        };
        self.0.iter().find(|entry| entry.owner == this && is_at(entry)).map(|entry| entry.daemon)
    }

    pub(crate) fn add(&mut self, owner: ProcessId, daemon: Pid, id: FileId, path: SystemPath) {
        self.0.push(Entry { owner, daemon, id, path, probes: Vec::new() });
    }

    pub(crate) fn remove(&mut self, owner: ProcessId, id: FileId) {
        self.0.retain(|entry| (entry.owner, entry.id) != (owner, id));
    }
}

/// A descriptor by which a pidfile is examined.
///
/// Closing any descriptor of a file drops this process's record locks on it. So if another thread has taken the lock
/// meanwhile, dropping this leaves the descriptor open until that lock ends.
pub(crate) struct Probe {
    file: Option<OwnedFd>,
    id: FileId,
}

impl Probe {
    pub(crate) fn new(file: OwnedFd, id: FileId) -> Self {
        Self { file: Some(file), id }
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }
}

impl AsFd for Probe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_ref().expect("the file is there until the drop").as_fd()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut registry = Registry::lock();
        let is_ours = |entry: &&mut Entry| entry.id == self.id && entry.owner == ProcessId::current();
        match registry.0.iter_mut().find(is_ours) {
            Some(entry) => entry.probes.extend(self.file.take()),
            // Closed while the list is locked.
            None => drop(self.file.take()),
        }
    }
}
