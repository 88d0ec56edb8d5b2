//! What `/proc` tells of processes: their age, who holds a lock, what is open.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::{fmt, fs, io};

use nix::libc;
use nix::unistd;

use crate::sys;

#[cfg(target_os = "linux")]
pub(crate) use linux::{age, holds_lock};
#[cfg(not(target_os = "linux"))]
pub(crate) use nothing::{age, holds_lock};

/// Reads a short file of `/proc` by one call, as these files want to be read.
pub(crate) fn read(file: fmt::Arguments<'_>) -> Option<String> {
    let mut text = [0; 8192];
    let file = sys::open(&path(file)?, libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?;
    let length = unistd::read(&file, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..length]).into_owned())
}

fn path(inside: fmt::Arguments<'_>) -> Option<CString> {
    CString::new(format!("/proc/{inside}")).ok()
}

/// Lists a folder of descriptors, or nothing if it can't be listed to its end.
pub(crate) fn descriptors(folder: &str) -> io::Result<Vec<RawFd>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(folder)? {
        listed.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(listed)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;
    use std::os::fd::RawFd;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::libc;

    use super::{descriptors, path, read};
    use crate::sys::{self, FileId, Pid, Sys, getpid};

    /// Gives the age of a process in whole seconds, as
    /// [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and the clock since boot
    /// tell it, where there is a `/proc`; `is_seen` says that the process was found there.
    pub(crate) fn age(pid: Pid, is_seen: bool) -> Option<Duration> {
        if !is_seen && !knows_our_numbers() {
            return None;
        }
        let ticks = start_ticks(&read(format_args!("{pid}/stat"))?)?;
        let started = Duration::from_millis(ticks.checked_mul(1000)? / sys::clock_ticks()?);
        let age = sys::clock(libc::CLOCK_BOOTTIME)?.checked_sub(started)?;
        Some(Duration::from_secs(age.as_secs()))
    }

    /// Tells whether a process itself holds a write lock on the first byte of a file; none if that can't be
    /// seen.
    ///
    /// `F_GETLK` gives the number of whoever took the lock. But a lock belongs to a table of descriptors, which
    /// processes can share by `clone(CLONE_FILES)`; if the one that took it has ended, its number may be
    /// anybody's by now. The lines `lock:` of
    /// [`/proc/PID/fdinfo`](https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html) are of the table's
    /// own locks only.
    pub(crate) fn holds_lock(pid: Pid, file: FileId) -> Option<bool> {
        // Where a daemon has it that has opened nothing before.
        if holds_lock_by(3, pid, file)? {
            return Some(true);
        }
        if !knows_our_numbers() {
            return None;
        }
        match descriptors(&format!("/proc/{pid}/fd")) {
            Ok(fds) => Some(fds.into_iter().any(|fd| holds_lock_by(fd, pid, file) == Some(true))),
            // Nobody has the number any more. Otherwise the process is hidden (`hidepid`), or its first thread has
            // ended before the others.
            Err(_) if sys::kill(pid, 0) == Err(Errno::ESRCH) => Some(false),
            Err(_) => None,
        }
    }

    fn holds_lock_by(fd: RawFd, pid: Pid, file: FileId) -> Option<bool> {
        match stat(format_args!("{pid}/fd/{fd}")) {
            Ok(stat) if file.is_of(&stat) => {
                Some(read(format_args!("{pid}/fdinfo/{fd}"))?.lines().any(is_write_lock_of_first_byte))
            }
            Err(Errno::EACCES | Errno::EPERM) => None,
            _ => Some(false),
        }
    }

    /// Tells whether the numbers here are those of our own PID namespace; those of another one say nothing.
    fn knows_our_numbers() -> bool {
        let own = read(format_args!("self/stat"));
        own.is_some_and(|own| own.split(' ').next() == Some(&getpid().to_string()))
    }

    fn stat(file: fmt::Arguments<'_>) -> Sys<sys::Stat> {
        sys::stat(&path(file).ok_or(Errno::EINVAL)?)
    }

    /// Reads the 22nd field. The second one is the command in parentheses, which may itself hold spaces and
    /// parentheses.
    fn start_ticks(stat: &str) -> Option<u64> {
        let (_, after_command) = stat.rsplit_once(')')?;
        after_command.split(' ').nth(22 - 2)?.parse().ok()
    }

    /// Reads a line such as `lock:  1: POSIX  ADVISORY  WRITE 42 00:1b:5678 0 1`.
    fn is_write_lock_of_first_byte(line: &str) -> bool {
        let expected = ["lock:", "", "POSIX", "", "WRITE", "", "", "0"];
        let mut words = line.split_ascii_whitespace();
        expected.iter().all(|expected| words.next().is_some_and(|word| [word, ""].contains(expected)))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_write_lock_of_the_first_byte_counts() {
            assert!(is_write_lock_of_first_byte("lock:\t1: POSIX  ADVISORY  WRITE 42 00:1b:5678 0 1"));
            assert!(!is_write_lock_of_first_byte("lock:\t1: POSIX  ADVISORY  READ 42 00:1b:5678 0 1"));
            assert!(!is_write_lock_of_first_byte("lock:\t1: POSIX  ADVISORY  WRITE 42 00:1b:5678 1 1"));
            assert!(!is_write_lock_of_first_byte("lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b:5678 0 0"));
            assert!(!is_write_lock_of_first_byte("lock:\t1: FLOCK  ADVISORY  WRITE 42 00:1b:5678 0 EOF"));
        }

        #[test]
        fn a_command_with_parentheses_hides_no_field() {
            let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3";
            assert_eq!(start_ticks(stat), Some(987_654));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nothing {
    use std::time::Duration;

    use crate::sys::{FileId, Pid};

    pub(crate) fn age(_: Pid, _: bool) -> Option<Duration> {
        None
    }

    pub(crate) fn holds_lock(_: Pid, _: FileId) -> Option<bool> {
        None
    }
}
