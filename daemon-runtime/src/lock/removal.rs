//! Removing a pidfile that a daemon has left behind.

use nix::fcntl::OFlag;
use nix::unistd::unlink;

use crate::command::error::Result;
use crate::lock::bytes::{self, Locks};
use crate::lock::pidfile::Pidfile;
use crate::lock::registry::Probe;
use crate::sys::file::FileId;

/// The evidence that the daemon of a pidfile has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Only what the locks say.
    Locks,
    /// Its process was seen to end. So a child of its body that still holds byte 2 does not count as a holder, and the
    /// file is a pidfile whatever its text.
    SeenToEnd,
}

impl Pidfile {
    /// Removes the file if no process holds it.
    pub(crate) fn remove_stale(&self, evidence: Evidence) -> Result<()> {
        let Some((probe, stat)) = &self.probe(OFlag::O_RDWR)? else { return Ok(()) };
        if evidence == Evidence::Locks {
            self.check_length(probe, stat)?;
        }
        self.remove_unless_held(probe, evidence).map_err(|errno| self.cannot("remove stale", errno))
    }

    fn remove_unless_held(&self, probe: &Probe, evidence: Evidence) -> nix::Result<()> {
        let path = self.path().as_c_str();
        if !bytes::claim_removal(probe) || !FileId::is_at(probe.id(), path) {
            return Ok(());
        }
        if bytes::daemon(probe)? != Locks::Free {
            return Ok(());
        }
        if evidence == Evidence::Locks && bytes::has_survivor(probe)? {
            return Ok(());
        }
        unlink(path)
    }

    /// Removes the file after a failed start, once the kernel has closed what the daemon had open.
    pub(crate) fn remove_after_failed_start(&self) {
        self.await_closing();
        let _ = self.remove_stale(Evidence::Locks);
    }
}
