//! The processes below a supervisor: adopting them, reaping them, ending them.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use crate::command::error::{Error, Result};
use crate::command::exit::Exit;
use crate::sys::family::{adopt_orphans, adopts_orphans, has_children};
use crate::sys::interrupted::uninterrupted;
use crate::sys::pidfd::PidFd;
use crate::sys::process::ProcessId;
use crate::sys::procfs;
use crate::sys::sigaction::{self, Disposition};

/// The processes below this one. While this value lives, none of them leaves the tree: this process adopts every orphan
/// ([PR_SET_CHILD_SUBREAPER](https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html)).
#[must_use = "dropping this undoes what it has changed in this process"]
pub(crate) struct Descendants {
    owner: ProcessId,
    /// The processes that were already below this one, in the foreground. They are not the body's, even if this process
    /// adopts them as orphans.
    strangers: Vec<Pid>,
    adopted_before: bool,
    /// The earlier disposition of SIGCHLD. While SIGCHLD is ignored, the kernel leaves nothing to reap.
    disposition: Disposition,
}

/// A process below the supervisor, as `/proc` has listed it.
#[derive(Clone, Copy)]
pub(crate) struct Descendant {
    pub(crate) pid: Pid,
    parent: Pid,
}

impl Descendants {
    /// Begins to adopt orphans.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses, or if the processes are to be ended and `/proc` does not list them.
    pub(crate) fn adopt(are_to_be_ended: bool) -> Result<Self> {
        if are_to_be_ended {
            procfs::require().map_err(|error| {
                Error::io(format_args!("cannot look in /proc, as `children = \"end\"` must"), &error)
            })?;
        }
        let cannot =
            |errno| Error::os(format_args!("cannot adopt the processes that the body starts"), errno);
        let adopted_before = adopts_orphans().map_err(cannot)?;
        let strangers =
            below_this(getpid(), &[]).unwrap_or_default().into_iter().map(|stranger| stranger.pid).collect();
        let disposition = sigaction::take(Signal::SIGCHLD).map_err(cannot)?;
        let adopted = Self { owner: ProcessId::track(), strangers, adopted_before, disposition };
        adopt_orphans(true).map_err(cannot)?;
        Ok(adopted)
    }

    /// Restores SIGCHLD in the body's process, which must not inherit the supervisor's disposition.
    pub(crate) fn leave_to_parent(self) {
        sigaction::restore(Signal::SIGCHLD, self.disposition);
    }

    /// Reaps what has ended. Returns how the body has ended, if it has.
    pub(crate) fn reap(&self, body: Option<Pid>) -> Option<Exit> {
        // `/proc` may hide a body of another user, so the body is reaped by its PID.
        let end = body.and_then(|body| reap_one(Some(body))).map(|(_, exit)| exit);
        if self.strangers.is_empty() {
            let mut found = None;
            while let Some((pid, exit)) = reap_one(None) {
                // The body may have ended meanwhile.
                if body.is_some() && (pid == body || pid.is_none() && body.is_some_and(is_gone)) {
                    found = Some(exit);
                }
            }
            return end.or(found);
        }
        for child in self.list().into_iter().flatten().filter(|child| child.parent == self.owner.pid()) {
            if body != Some(child.pid) {
                let _ = reap_one(Some(child.pid));
            }
        }
        end
    }

    /// Lists the processes, living and dead, each parent before its children.
    ///
    /// Returns `None` if there are some that cannot be listed.
    pub(crate) fn list(&self) -> Option<Vec<Descendant>> {
        below_this(self.owner.pid(), &self.strangers)
    }

    /// Sends a signal to a process, and never to a later process with the same PID.
    ///
    /// A child keeps its PID until it is reaped. A process further below is pinned, and gets the signal only if its
    /// parent is still the same. Without pidfds, it gets the signal once it is a child. Returns whether the signal was
    /// sent.
    pub(crate) fn signal(&self, descendant: Descendant, signal: Signal) -> bool {
        let Descendant { pid, parent } = descendant;
        if parent == self.owner.pid() {
            return kill(pid, signal).is_ok();
        }
        PidFd::open(pid)
            .is_ok_and(|process| procfs::parent(pid) == Some(parent) && process.signal(signal).is_ok())
    }
}

/// Lists the processes below this one, each parent before its children. Leaves out the children `without`, and all
/// processes below them.
fn below_this(ancestor: Pid, without: &[Pid]) -> Option<Vec<Descendant>> {
    // Listing all processes of the system takes a while.
    if !has_children() {
        return Some(Vec::new());
    }
    let all = procfs::processes()?;
    let mut found: Vec<Descendant> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        // Only a child of the ancestor itself is left out: elsewhere in the tree, its PID now belongs to another
        // process.
        let is_child = |pid: Pid, of: Pid| of == parent && (of != ancestor || !without.contains(&pid));
        let children = all.iter().filter(|(pid, of)| is_child(*pid, *of));
        let children: Vec<_> =
            children.map(|(pid, parent)| Descendant { pid: *pid, parent: *parent }).collect();
        parents.extend(children.iter().map(|child| child.pid));
        found.extend(children);
    }
    Some(found)
}

/// The number of the first real-time signal on Linux. nix has no real-time signals, so its status of a child that such
/// a signal ended is an error.
const FIRST_REAL_TIME: i32 = 34;

/// Reaps the given child if it has ended, or without one, any child that has ended. In the second case, the PID is unknown
/// if a real-time signal has ended the child.
fn reap_one(child: Option<Pid>) -> Option<(Option<Pid>, Exit)> {
    let code = |code: i32| Exit::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
    match uninterrupted(|| waitpid(child, Some(WaitPidFlag::WNOHANG))) {
        Ok(WaitStatus::Exited(pid, status)) => Some((Some(pid), code(status))),
        Ok(WaitStatus::Signaled(pid, signal, _)) => Some((Some(pid), Exit::Signal(signal as i32))),
        Err(Errno::EINVAL) => Some((child, Exit::Signal(FIRST_REAL_TIME))),
        _ => None,
    }
}

fn is_gone(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH)
}

impl Drop for Descendants {
    fn drop(&mut self) {
        // A forked child has nothing to undo.
        if self.owner == ProcessId::current() {
            let _ = adopt_orphans(self.adopted_before);
            sigaction::restore(Signal::SIGCHLD, self.disposition);
        }
    }
}
