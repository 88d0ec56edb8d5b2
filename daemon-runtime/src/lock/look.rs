//! Looking up who holds a pidfile, without changing anything.

use nix::fcntl::OFlag;
use nix::unistd::Pid;

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::bytes::{self, Locks, Published};
use crate::lock::failure::Failure;
use crate::lock::pidfile::Pidfile;
use crate::lock::registry::{Probe, Registry};
use crate::lock::retry::Retry;
use crate::sys::file::FileId;
use crate::sys::procfs;

/// The presence of a daemon, as its pidfile's locks show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    NotRunning,
    /// Not running, with a pidfile left behind.
    Stale,
    /// Not running, with a pidfile that has the reason of the daemon's death.
    Failed(Failure),
    Running {
        pid: Pid,
        /// Whether `/proc` has confirmed that this process has the lock.
        is_verified: bool,
        /// What the process publishes about its readiness.
        published: Option<Published>,
    },
}

/// One look at a pidfile. It keeps the file open, so that the same file can be queried again.
pub(crate) struct Look {
    found: Found,
    failure: Option<Failure>,
    file: Option<Probe>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// There is no file, or an empty one.
    Absent,
    /// There is a file with some text, and no process holds it.
    Stale,
    /// This process or its supervisor holds it.
    Own(Pid),
    /// Another process holds it.
    Other(Pid),
}

impl Pidfile {
    /// Returns whether the daemon is running.
    ///
    /// A holder that the kernel names but `/proc` denies is unknown: it has passed the lock on to another process. This
    /// may be temporary, so the file is looked at again for a second.
    ///
    /// # Errors
    ///
    /// Fails if the holder is unknown or another program, or if the file cannot be examined.
    pub(crate) fn presence(&self) -> Result<Presence> {
        let mut retry = Retry::default();
        loop {
            let look = self.look()?;
            let Some(pid) = look.holder() else {
                return Ok(match look.failure {
                    Some(failure) => Presence::Failed(failure),
                    None if look.found == Found::Stale => Presence::Stale,
                    None => Presence::NotRunning,
                });
            };
            if look.is_own() {
                return Ok(Presence::Running { pid, is_verified: false, published: None });
            }
            // Asked before the lock is confirmed, so that the answer is about the holder.
            let other_program = self.other_program(pid);
            let confirmed = look.confirms(pid);
            if look.has_lock(pid, confirmed).map_err(|errno| self.cannot("query", errno))? {
                if let Some(program) = other_program {
                    return Err(Error::other_program(self.path(), &program, pid));
                }
                // A daemon of an earlier version publishes nothing.
                let published = look.published(pid).unwrap_or(None);
                return Ok(Presence::Running { pid, is_verified: confirmed.is_some(), published });
            }
            if retry.is_over() {
                return Err(Error::holder_unknown(self.path()));
            }
        }
    }

    /// Returns whether the daemon is running, with root's pidfile if the answer is about root's daemon.
    ///
    /// That is so if root's daemon is running, and the ordinary user's own daemon is not running, or has a pidfile out
    /// of reach.
    ///
    /// # Errors
    ///
    /// Fails as [`presence`](Self::presence) does. Failures at root's path are ignored.
    pub(crate) fn presence_or_root(&self) -> Result<(Presence, Option<&SystemPath>)> {
        let own = self.presence();
        let is_running = |presence: &Result<Presence>| matches!(presence, Ok(Presence::Running { .. }));
        let is_missing = own.as_ref().map_or_else(|error| self.is_out_of_reach(error), |_| !is_running(&own));
        if let Some(root_default) = self.root_default().filter(|_| is_missing) {
            let presence = root_default.presence();
            if is_running(&presence) {
                return Ok((presence?, Some(root_default.path())));
            }
        }
        Ok((own?, None))
    }

    /// Looks up who holds the file.
    ///
    /// If the holder is unknown, the file is looked at again for a second. A daemon that is just starting, or that was
    /// killed and whose files the kernel is still closing, is unknown for a moment.
    ///
    /// # Errors
    ///
    /// Fails if the holder is unknown or the file cannot be examined.
    pub(crate) fn look(&self) -> Result<Look> {
        let mut retry = Retry::default();
        loop {
            match self.glance()? {
                Some(look) => return Ok(look),
                None if retry.is_over() => return Err(Error::holder_unknown(self.path())),
                None => {}
            }
        }
    }

    /// Waits until the kernel has closed the files of a daemon that has died, at most a second.
    pub(crate) fn await_closing(&self) {
        let mut retry = Retry::default();
        while self.glance().is_ok_and(|look| look.is_none()) && !retry.is_over() {}
    }

    /// Waits until a process that was killed has released the file, at most a second.
    pub(crate) fn await_release(&self, pid: Pid) {
        let mut retry = Retry::default();
        let is_held = || self.glance().is_ok_and(|look| look.is_some_and(|look| look.is_other(pid)));
        while is_held() && !retry.is_over() {}
    }

    /// Waits until the body of a supervisor that was killed is gone too, at most a second.
    pub(crate) fn await_body_end(&self) {
        let Ok(Some((probe, _))) = self.probe(OFlag::O_RDONLY) else { return };
        let mut retry = Retry::default();
        while bytes::has_body(&probe) == Ok(true) && !retry.is_over() {}
    }

    /// Looks once. Returns `None` if the holder is unknown.
    fn glance(&self) -> Result<Option<Look>> {
        let without_file = |found| Ok(Some(Look { found, failure: None, file: None }));
        if let Some(daemon) = Registry::lock().daemon_at(self.path()) {
            return without_file(Found::Own(daemon));
        }
        let Some((probe, stat)) = self.probe(OFlag::O_RDONLY)? else {
            return without_file(Found::Absent);
        };
        let mut failure = None;
        let found = match bytes::query(&probe).map_err(|errno| self.cannot("query", errno))? {
            Locks::HeldBy(pid) => Found::Other(pid),
            Locks::HeldByUnknown => return Ok(None),
            // The file was removed since we opened it, because its daemon has ended.
            Locks::Free if !FileId::new(&stat).is_at(self.path().as_c_str()) => return self.glance(),
            Locks::Free => {
                failure = self.check_length(&probe, &stat)?;
                if stat.st_size == 0 { Found::Absent } else { Found::Stale }
            }
        };
        Ok(Some(Look { found, failure, file: Some(probe) }))
    }
}

impl Look {
    /// Returns the process that holds the file.
    pub(crate) fn holder(&self) -> Option<Pid> {
        match self.found {
            Found::Absent | Found::Stale => None,
            Found::Own(pid) | Found::Other(pid) => Some(pid),
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self.found, Found::Own(_))
    }

    fn is_other(&self, pid: Pid) -> bool {
        self.found == Found::Other(pid)
    }

    /// Returns whether the process that the kernel names has the lock, or `None` if `/proc` does not report it.
    pub(crate) fn confirms(&self, pid: Pid) -> Option<bool> {
        self.file.as_ref().and_then(|probe| procfs::holds_lock(pid, probe.id()))
    }

    /// Returns whether the process has the lock: as `/proc` reports, or else as the kernel answers when it is asked
    /// again.
    pub(crate) fn has_lock(&self, pid: Pid, confirmed: Option<bool>) -> nix::Result<bool> {
        confirmed.map_or_else(|| self.is_still_held_by(pid), Ok)
    }

    /// Asks the kernel again who holds the same file.
    pub(crate) fn query_again(&self) -> nix::Result<Locks> {
        self.file.as_ref().map_or(Ok(Locks::Free), bytes::query)
    }

    /// Returns what the holder publishes about its readiness.
    pub(crate) fn published(&self, holder: Pid) -> nix::Result<Option<Published>> {
        self.file.as_ref().map_or(Ok(None), |probe| bytes::published(probe, holder))
    }

    /// Returns the number of the socket on which a process takes calls.
    pub(crate) fn calls(&self, process: Pid) -> nix::Result<Option<i32>> {
        self.file.as_ref().map_or(Ok(None), |probe| bytes::calls(probe, process))
    }

    /// Returns whether the process still holds the file.
    pub(crate) fn is_still_held_by(&self, pid: Pid) -> nix::Result<bool> {
        Ok(self.query_again()? == Locks::HeldBy(pid))
    }
}
