//! The running daemons of this program, found by their locks.
//!
//! `/proc` lists the processes that run this program, and the locks of each. A daemon has two locks on one open file: a
//! record lock on bytes 0 to 1, and an open-file-description lock on byte 2. No other use of a file looks like that.

use nix::unistd::Pid;

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::sys::file::FileId;
use crate::sys::procfs;

/// Returns the pidfiles of this program's running daemons, sorted by path, as far as this process may see them.
pub(crate) fn find() -> Result<Vec<(Pidfile, Presence)>> {
    let Some(processes) = procfs::processes().filter(|_| procfs::shows_locks()) else {
        return Err(Error::failed(format_args!(
            "`--all` needs a `/proc` that lists processes and their locks, which this system does not have"
        )));
    };
    let pids = processes.into_iter().map(|(pid, _)| pid).filter(|pid| procfs::is_this_program(*pid));
    let mut paths: Vec<_> = pids.flat_map(pidfiles).collect();
    paths.sort_by(|one, other| one.as_c_str().cmp(other.as_c_str()));
    paths.dedup();
    let pidfiles = paths.into_iter().map(Pidfile::of_this_program);
    // A daemon that has ended meanwhile is not running.
    let running = pidfiles.filter_map(|pidfile| {
        let presence = pidfile.presence().ok()?;
        matches!(presence, Presence::Running { .. }).then_some((pidfile, presence))
    });
    Ok(running.collect())
}

/// Returns the pidfiles that a process has locked.
fn pidfiles(pid: Pid) -> Vec<SystemPath> {
    let fds = procfs::descriptors(&format!("/proc/{pid}/fd")).unwrap_or_default();
    let is_locked = |fd: &i32| {
        procfs::read(&format!("/proc/{pid}/fdinfo/{fd}")).is_some_and(|text| has_daemon_locks(&text))
    };
    let path = |fd: i32| {
        let (stat, path) = procfs::open_file(pid, fd)?;
        let path = SystemPath::new(path)?;
        // A file that was removed, or that has this path only inside a container, is not reached.
        FileId::new(&stat).is_at(path.as_c_str()).then_some(path)
    };
    fds.into_iter().filter(is_locked).filter_map(path).collect()
}

/// Returns whether an open file has a daemon's locks. Lines are such as `lock:  1: POSIX  ADVISORY  WRITE 42
/// 00:1b:5678 0 1`.
fn has_daemon_locks(fdinfo: &str) -> bool {
    let has = |kind: &str, first: &str, last: &str| {
        fdinfo.lines().any(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            matches!(words[..], ["lock:", _, a_kind, _, "WRITE", _, _, start, end]
                if (a_kind, start, end) == (kind, first, last))
        })
    };
    has("POSIX", "0", "1") && has("OFDLCK", "2", "2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_both_locks_of_a_daemon_count() {
        let posix = "lock:\t1: POSIX  ADVISORY  WRITE 42 00:1b:5678 0 1\n";
        let open = "lock:\t2: OFDLCK ADVISORY  WRITE -1 00:1b:5678 2 2\n";
        assert!(has_daemon_locks(&format!("pos:\t0\n{posix}{open}")));
        assert!(!has_daemon_locks(posix));
        assert!(!has_daemon_locks(open));
        // A whole file, as many programs lock it.
        assert!(!has_daemon_locks(&format!("{}{open}", posix.replace("0 1\n", "0 EOF\n"))));
        assert!(!has_daemon_locks(&format!("{}{open}", posix.replace("WRITE", "READ "))));
    }
}
