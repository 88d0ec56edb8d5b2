//! The ties between a process, its parent, its orphans ([prctl(2)](https://man7.org/linux/man-pages/man2/prctl.2.html)).

#[cfg(target_os = "linux")]
pub(crate) use linux::{adopt_orphans, adopts_orphans, die_with_parent, has_children};
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::{adopt_orphans, adopts_orphans, die_with_parent, has_children};

/// Whether the system lets a process adopt the orphans below it.
pub(crate) const HAS_SUBREAPERS: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
mod linux {
    use nix::errno::Errno;
    use nix::sys::prctl;
    use nix::sys::signal::Signal;
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    /// Makes this process the parent of every orphan below it, or no longer.
    pub(crate) fn adopt_orphans(adopts: bool) -> nix::Result<()> {
        prctl::set_child_subreaper(adopts)
    }

    pub(crate) fn adopts_orphans() -> nix::Result<bool> {
        prctl::get_child_subreaper()
    }

    /// Makes the kernel kill this process when its parent ends. A change of user undoes this.
    pub(crate) fn die_with_parent() -> nix::Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)
    }

    /// Returns whether this process has a child, alive or dead.
    pub(crate) fn has_children() -> bool {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::All, peek) != Err(Errno::ECHILD)
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    use nix::errno::Errno;

    pub(crate) fn adopt_orphans(_: bool) -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn adopts_orphans() -> nix::Result<bool> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn die_with_parent() -> nix::Result<()> {
        Err(Errno::ENOSYS)
    }

    pub(crate) fn has_children() -> bool {
        true
    }
}
