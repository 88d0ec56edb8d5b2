//! The pidfile that this process holds.

use std::fs::{File, Permissions};
use std::io::{self, Seek, Write};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use nix::libc::mode_t;
use nix::sys::signal::Signal;
use nix::sys::stat::FileStat;
use nix::unistd::unlink;

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::bytes::{self, Claim, Locks, Published};
use crate::lock::failure::Failure;
use crate::lock::pidfile::{MODE, Pidfile};
use crate::lock::registry::Registry;
use crate::lock::removal::Evidence;
use crate::lock::retry::Retry;
use crate::sys::file::FileId;
use crate::sys::mask::{self, AllBlocked};
use crate::sys::process::ProcessId;
use crate::sys::procfs;

/// The pidfile that this process holds; the lock lasts as long as this value.
#[must_use = "dropping this removes the pidfile, unless it has the reason of a death, and releases the lock"]
pub(crate) struct HeldPidfile {
    path: SystemPath,
    file: Arc<File>,
    id: FileId,
    owner: ProcessId,
    /// Whether the file contains the reason of a death, and stays.
    is_left: AtomicBool,
    /// A second descriptor of the file, for the lock of a supervised body. Closing it would drop our locks.
    for_body: Option<OwnedFd>,
}

/// A file that is locked, but not yet written.
struct Locked {
    file: OwnedFd,
    stat: FileStat,
    for_body: Option<OwnedFd>,
}

impl Pidfile {
    /// Takes the lock, empties the file and writes this process's PID.
    ///
    /// A supervisor opens the file a second time, for the lock of a body that may not reach the path.
    ///
    /// # Errors
    ///
    /// Fails if another daemon holds the file, or a step fails. A failure removes a file that no process holds.
    pub(crate) fn acquire(&self, is_supervised: bool) -> Result<HeldPidfile> {
        self.try_to_acquire(is_supervised).inspect_err(|error| {
            if !error.is_held_by_daemon() {
                let _ = self.remove_stale(Evidence::Locks);
            }
        })
    }

    fn try_to_acquire(&self, is_supervised: bool) -> Result<HeldPidfile> {
        let mut registry = Registry::lock();
        if let Some(daemon) = registry.daemon_at(self.path()) {
            return Err(Error::already_running(daemon));
        }
        let Locked { file, stat, for_body } = self.lock(is_supervised)?;
        self.check_length(&file, &stat)?;
        let (id, owner) = (FileId::new(&stat), ProcessId::track());
        registry.add(owner, owner.pid(), id, self.path().clone());
        drop(registry);
        let held = HeldPidfile {
            path: self.path().clone(),
            file: Arc::new(file.into()),
            id,
            owner,
            is_left: AtomicBool::new(false),
            for_body,
        };
        held.write_pid(&stat)
            .map_err(|error| Error::io(format_args!("cannot write pidfile {}", self.path()), &error))?;
        Ok(held)
    }

    /// Opens and locks the file that the path leads to. Tries again for a second while a process other than a daemon is
    /// in the way.
    fn lock(&self, is_supervised: bool) -> Result<Locked> {
        let mut retry = Retry::default();
        loop {
            let file = self.open_or_create()?;
            let stat = self.examine(&file)?;
            self.check(&stat)?;
            // Closing any descriptor of the file would drop the locks, and `open_or_create` may close one.
            let for_body = is_supervised.then(|| self.open_or_create()).transpose()?;
            let is_same = |file: &OwnedFd| FileId::new(&stat).is_open_at(file);
            let refusal = match bytes::claim(&file).map_err(|errno| self.cannot("lock", errno))? {
                Claim::Taken
                    if FileId::new(&stat).is_at(self.path().as_c_str())
                        && for_body.as_ref().is_none_or(is_same) =>
                {
                    return Ok(Locked { file, stat, for_body });
                }
                // Removed or replaced before we had the lock, so another file counts now.
                Claim::Taken => self.obstructed(&file),
                Claim::Refused => {
                    self.refuse_if_daemon(&file, FileId::new(&stat))?;
                    self.obstructed(&file)
                }
                Claim::Survived => Error::holder_unknown(self.path()),
            };
            if retry.is_over() {
                return Err(refusal);
            }
        }
    }

    /// Fails if a daemon has the lock. Any other lock is worth another try.
    fn refuse_if_daemon(&self, file: impl AsFd, id: FileId) -> Result<()> {
        let ask = || bytes::daemon(&file).map_err(|errno| self.cannot("query", errno));
        let pid = match ask()? {
            Locks::Free => return Ok(()),
            Locks::HeldBy(pid) => pid,
            Locks::HeldByUnknown => return Err(Error::holder_unknown(self.path())),
        };
        // Asked before the lock is confirmed, so that the answer is about the holder.
        let other_program = self.other_program(pid);
        match (procfs::holds_lock(pid, id), other_program) {
            // The process that took the lock is gone, and has passed it on to another.
            (Some(false), _) => Ok(()),
            (None, Some(_)) if ask()? != Locks::HeldBy(pid) => Ok(()),
            (_, Some(program)) => Err(Error::other_program(self.path(), &program, pid)),
            (_, None) => Err(Error::already_running(pid)),
        }
    }

    /// Makes the error that names what is in the way if it is not a daemon: a reader's lock, or a process that hangs
    /// while it removes the file.
    fn obstructed(&self, file: impl AsFd) -> Error {
        let path = self.path();
        match bytes::obstacle(file) {
            Some(pid) => Error::failed(format_args!(
                "cannot lock pidfile {path}: held by pid {pid}, which is not its daemon"
            )),
            None => Error::failed(format_args!(
                "cannot lock pidfile {path}: other processes keep locking or replacing it"
            )),
        }
    }
}

impl HeldPidfile {
    /// Closes the supervisor's descriptor in the process of a supervised body, and takes the lock that shows that a
    /// body lives. Called in a child that the holder has just forked.
    ///
    /// If a reader's lock stays in the way for a second, the body lives without the lock. Returns the file, which stays
    /// open as long as the process lives.
    pub(crate) fn pass_to_body(mut self) -> Option<PublishingFile> {
        let (file, path, id, daemon) = (self.for_body.take(), self.path.clone(), self.id, self.owner.pid());
        // A fork inherits the open-file-description lock, which must end with the supervisor.
        drop(self);
        let file = Arc::new(File::from(file?));
        let mut retry = Retry::default();
        while bytes::claim_body(&file) == Ok(false) && !retry.is_over() {}
        Registry::lock().add(ProcessId::current(), daemon, id, path);
        let published = PublishingFile { file: Arc::downgrade(&file), id };
        // The lock ends with the process.
        mem::forget(file);
        Some(published)
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Returns the open file, on which the daemon publishes its socket, without keeping it open.
    pub(crate) fn file(&self) -> PublishingFile {
        PublishingFile { file: Arc::downgrade(&self.file), id: self.id }
    }

    /// Returns the process that holds the file. A child that the body has forked does not.
    pub(crate) fn owner(&self) -> ProcessId {
        self.owner
    }

    /// Writes this process's PID into the file, with the pidfile's permissions whatever the umask.
    ///
    /// The permissions may fail to be set: a file of another user keeps its own, and so does a file on a file system
    /// without permissions (vfat, CIFS, FUSE).
    fn write_pid(&self, before: &FileStat) -> io::Result<()> {
        let mode: mode_t = MODE.into();
        if before.st_mode & 0o7777 != mode {
            let _ = self.file.set_permissions(Permissions::from_mode(MODE.into()));
        }
        if before.st_size > 0 {
            // The check whether the text is a pidfile's has moved the position.
            (&*self.file).rewind()?;
            self.file.set_len(0)?;
        }
        let text = format!("{}\n", self.owner.pid());
        without_signal((&*self.file).write_all(text.as_bytes()))
    }

    /// Writes the reason of this daemon's death below the PID, and keeps the file when the lock ends. A file that
    /// cannot be written is removed.
    ///
    /// This works inside a chroot and after a change of user, because the file is open. Only the first call has an
    /// effect. Not async-signal-safe.
    pub(crate) fn leave(&self, failure: &Failure) {
        // A child that the body has forked may get here too, but its end is not the daemon's.
        if self.owner != ProcessId::current() || self.is_left.load(Ordering::Acquire) {
            return;
        }
        // Otherwise a signal that ends this process meanwhile would remove the file.
        let blocked = AllBlocked::new();
        // A body that closes descriptors it does not know may have a file of its own under this number.
        if self.id.is_open_at(&self.file) && self.write_failure(failure).is_ok() {
            self.is_left.store(true, Ordering::Release);
        } else {
            self.remove();
        }
        drop(blocked);
    }

    fn write_failure(&self, failure: &Failure) -> io::Result<()> {
        let text = failure.encode(self.owner.pid().as_raw());
        without_signal(self.file.write_all_at(text.as_bytes(), 0))?;
        // The body may have written more to the file.
        self.file.set_len(text.len() as u64)
    }

    /// Removes the file, unless it contains the reason of a death or the path leads to another file. Empties the file
    /// if it cannot be removed, or if the path is outside the chroot.
    ///
    /// Async-signal-safe, and harmless when repeated.
    pub(crate) fn remove(&self) {
        if self.is_left.load(Ordering::Acquire) {
            return;
        }
        let path = self.path.as_c_str();
        if self.id.is_at(path) && unlink(path).is_ok() {
            return;
        }
        // A body that closes descriptors it does not know may have a file of its own under this number.
        if self.id.is_open_at(&*self.file) {
            let _ = self.file.set_len(0);
        }
    }
}

/// Passes on the result of a write. Signals must be blocked.
fn without_signal(written: io::Result<()>) -> io::Result<()> {
    written.inspect_err(|_| {
        // A limit on file size (RLIMIT_FSIZE) also raises a signal, which is blocked here. Once unblocked, it would end
        // a caller in the foreground before the caller can report the failure.
        mask::take_back(Signal::SIGXFSZ);
    })
}

/// The open pidfile as the place where the daemon publishes its socket. It does not keep the file open.
#[derive(Clone)]
pub(crate) struct PublishingFile {
    file: Weak<File>,
    id: FileId,
}

impl PublishingFile {
    /// Publishes the number of this process's socket.
    pub(crate) fn publish(&self, published: Published) -> io::Result<()> {
        let file = self.file.upgrade().ok_or(io::ErrorKind::NotFound)?;
        Ok(bytes::publish(&*file, published)?)
    }

    /// Publishes the number of the socket on which this process takes calls. Async-signal-safe.
    pub(crate) fn publish_calls(&self, number: i32) -> nix::Result<()> {
        // A body that closes descriptors it does not know has lost the locks already.
        let file = self.file.upgrade().filter(|file| self.id.may_be_open_at(&**file));
        file.map_or(Err(Errno::EBADF), |file| bytes::publish_calls(&*file, number))
    }

    /// Withdraws the number of a socket on which this process takes no more calls. Async-signal-safe.
    pub(crate) fn withdraw_calls(&self) {
        // A body that closes descriptors it does not know has lost the locks already.
        if let Some(file) = self.file.upgrade().filter(|file| self.id.may_be_open_at(&**file)) {
            // A caller that still found the number would not wake this process, which would then open no new socket.
            let _ = (0..3).find(|_| bytes::withdraw_calls(&*file).is_ok());
        }
    }

    /// Withdraws what shows that the daemon is not ready.
    pub(crate) fn withdraw(&self) {
        // A body that closes descriptors it does not know has lost the locks already.
        if let Some(file) = self.file.upgrade().filter(|file| self.id.may_be_open_at(&**file)) {
            // A daemon with the mark would seem to start forever.
            let _ = (0..3).find(|_| bytes::withdraw(&*file).is_ok());
        }
    }
}

impl Drop for HeldPidfile {
    fn drop(&mut self) {
        // A child that the body has forked holds no lock.
        if self.owner == ProcessId::current() {
            self.remove();
            Registry::lock().remove(self.owner, self.id);
        }
    }
}
