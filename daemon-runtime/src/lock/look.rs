//! Looking up who holds a pidfile, without changing anything.

use nix::fcntl::OFlag;
use nix::unistd::{Pid, getpid};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::bytes::{self, Locks};
use crate::lock::pidfile::Pidfile;
use crate::lock::registry::{Probe, Registry};
use crate::lock::retry::Retry;
use crate::sys::file::FileId;
use crate::sys::proc;

/// The state of a daemon, as its pidfile's locks tell it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    NotRunning,
    /// Not running, with a pidfile left behind.
    Stale,
    Running {
        pid: Pid,
        /// Whether `/proc` has confirmed that this process has the lock.
        is_verified: bool,
    },
}

/// One look at a pidfile. It keeps the file open, so that the same file can be asked again.
pub(crate) struct Look {
    presence: Presence,
    file: Option<Probe>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// There is no file, or an empty one.
    Absent,
    /// There is a file with some text, and no process holds it.
    Stale,
    /// This process holds it.
    Own,
    /// Another process holds it.
    Other(Pid),
}

impl Pidfile {
    /// Returns the state of the daemon.
    ///
    /// A holder that the kernel names but `/proc` denies is unknown: it has left the lock to another process. Such a
    /// state may pass, so it is looked at again for a second.
    ///
    /// # Errors
    ///
    /// Fails if the holder is unknown or another program, or if the file cannot be examined.
    pub(crate) fn state(&self) -> Result<State> {
        let mut retry = Retry::default();
        loop {
            let look = self.look()?;
            let Some(pid) = look.holder() else {
                return Ok(if look.presence == Presence::Stale { State::Stale } else { State::NotRunning });
            };
            if look.is_own() {
                return Ok(State::Running { pid, is_verified: false });
            }
            // Before the lock is confirmed, so that it is about the holder.
            let intruder = self.intruder(pid);
            let confirmed = look.confirms(pid);
            if look.has_lock(pid, confirmed).map_err(|errno| self.cannot("query", errno))? {
                return match intruder {
                    Some(program) => Err(Error::other_program(self.path(), &program, pid)),
                    None => Ok(State::Running { pid, is_verified: confirmed.is_some() }),
                };
            }
            if retry.is_over() {
                return Err(Error::holder_unknown(self.path()));
            }
        }
    }

    /// Returns the state of the daemon, and the pidfile that it is about: root's, if an ordinary user's own daemon is not
    /// running or its pidfile is out of the user's reach, while root's daemon runs.
    ///
    /// # Errors
    ///
    /// Fails as [`state`](Self::state) does. What else is at root's path says nothing about this daemon.
    pub(crate) fn state_or_roots(&self) -> Result<(State, &SystemPath)> {
        let own = self.state();
        let is_running = |state: &Result<State>| matches!(state, Ok(State::Running { .. }));
        let is_missing = own.as_ref().map_or_else(Error::is_permission_denied, |_| !is_running(&own));
        if let Some(roots) = self.roots().filter(|_| is_missing) {
            let state = roots.state();
            if is_running(&state) {
                return Ok((state?, roots.path()));
            }
        }
        Ok((own?, self.path()))
    }

    /// Looks up who holds the file.
    ///
    /// An unknown holder is looked at again for a second: a daemon that starts between two questions, or that was
    /// killed and whose files the kernel is still closing, is one for a moment.
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

    /// Looks once. Returns `None` if the holder is unknown.
    fn glance(&self) -> Result<Option<Look>> {
        let without_file = |presence| Ok(Some(Look { presence, file: None }));
        if Registry::lock().has(self.path()) {
            return without_file(Presence::Own);
        }
        let Some((probe, stat)) = self.probe(OFlag::O_RDONLY)? else {
            return without_file(Presence::Absent);
        };
        let presence = match bytes::query(&probe).map_err(|errno| self.cannot("query", errno))? {
            Locks::HeldBy(pid) => Presence::Other(pid),
            Locks::HeldByUnknown => return Ok(None),
            // Its daemon has ended since we opened it.
            Locks::Free if !FileId::new(&stat).is_at(self.path().as_c_str()) => return self.glance(),
            Locks::Free => {
                self.check_length(&stat)?;
                if stat.st_size == 0 { Presence::Absent } else { Presence::Stale }
            }
        };
        Ok(Some(Look { presence, file: Some(probe) }))
    }
}

impl Look {
    /// Returns the process that holds the file.
    pub(crate) fn holder(&self) -> Option<Pid> {
        match self.presence {
            Presence::Absent | Presence::Stale => None,
            Presence::Own => Some(getpid()),
            Presence::Other(pid) => Some(pid),
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        self.presence == Presence::Own
    }

    fn is_other(&self, pid: Pid) -> bool {
        self.presence == Presence::Other(pid)
    }

    /// Returns whether the process that the kernel names has the lock, or `None` if `/proc` does not say.
    pub(crate) fn confirms(&self, pid: Pid) -> Option<bool> {
        self.file.as_ref().and_then(|probe| proc::holds_lock(pid, probe.id()))
    }

    /// Returns whether the process has the lock, by what `/proc` says, else by asking the kernel again.
    pub(crate) fn has_lock(&self, pid: Pid, confirmed: Option<bool>) -> nix::Result<bool> {
        confirmed.map_or_else(|| self.is_still_held_by(pid), Ok)
    }

    /// Asks the same file again who holds it.
    pub(crate) fn query_again(&self) -> nix::Result<Locks> {
        self.file.as_ref().map_or(Ok(Locks::Free), bytes::query)
    }

    /// Returns whether the process still holds the file.
    pub(crate) fn is_still_held_by(&self, pid: Pid) -> nix::Result<bool> {
        Ok(self.query_again()? == Locks::HeldBy(pid))
    }
}
