//! What `/proc` tells of another process: its age, and whether it holds a lock. Elsewhere nothing does.

#[cfg(target_os = "linux")]
pub(crate) use linux::{age, holds_lock};
#[cfg(not(target_os = "linux"))]
pub(crate) use nothing::{age, holds_lock};

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::fs::{self, File};
    use std::io::Read;
    use std::process;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::libc;
    use nix::unistd::Pid;

    use crate::pidfile::FileId;
    use crate::sys::{self, Sys};

    /// Gives the age of a process, as
    /// [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and the clock since boot
    /// tell it, where there is a `/proc`; `is_seen` says that the process was found there.
    pub(crate) fn age(pid: Pid, is_seen: bool) -> Option<Duration> {
        if !is_seen && !knows_our_numbers() {
            return None;
        }
        let ticks = start_ticks(&read(&format!("/proc/{pid}/stat"))?)?;
        let per_second = sys::clock_ticks()?;
        let started = Duration::from_secs(ticks / per_second)
            + Duration::from_secs(ticks % per_second) / u32::try_from(per_second).ok()?;
        sys::clock(libc::CLOCK_BOOTTIME)?.checked_sub(started)
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
        let holds = |fd: &str| match stat(format!("/proc/{pid}/fd/{fd}")) {
            Ok(stat) if file.is_of(&stat) => {
                Some(read(&format!("/proc/{pid}/fdinfo/{fd}"))?.lines().any(is_write_lock_of_first_byte))
            }
            Err(Errno::EACCES | Errno::EPERM) => None,
            _ => Some(false),
        };
        // Where a daemon has it that has opened nothing before.
        if holds("3")? {
            return Some(true);
        }
        if !knows_our_numbers() {
            return None;
        }
        match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(mut descriptors) => Some(
                descriptors
                    .any(|fd| fd.is_ok_and(|fd| fd.file_name().to_str().and_then(holds) == Some(true))),
            ),
            // Nobody has the number any more. Otherwise the process is hidden (`hidepid`), or its first thread has
            // ended before the others.
            Err(_) if sys::kill(pid, 0) == Err(Errno::ESRCH) => Some(false),
            Err(_) => None,
        }
    }

    /// Tells whether the numbers here are those of our own PID namespace; those of another one say nothing.
    fn knows_our_numbers() -> bool {
        let own = fs::read_link("/proc/self").ok();
        own.and_then(|own| own.to_str()?.parse().ok()) == Some(process::id())
    }

    fn stat(path: String) -> Sys<sys::Stat> {
        sys::stat(&CString::new(path).map_err(|_| Errno::EINVAL)?)
    }

    /// Reads a short file of `/proc` by one call, as these files want to be read.
    fn read(path: &str) -> Option<String> {
        let mut text = [0; 4096];
        let length = File::open(path).ok()?.read(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// Reads the 22nd field. The second one is the command in parentheses, which may itself hold spaces and
    /// parentheses.
    fn start_ticks(stat: &str) -> Option<u64> {
        let (_, after_command) = stat.rsplit_once(')')?;
        after_command.split_whitespace().nth(22 - 3)?.parse().ok()
    }

    /// Reads a line such as `lock:  1: POSIX  ADVISORY  WRITE 42 00:1b:5678 0 1`.
    fn is_write_lock_of_first_byte(line: &str) -> bool {
        let words: Vec<_> = line.split_whitespace().collect();
        matches!(words.as_slice(), ["lock:", _, "POSIX", _, "WRITE", _, _, "0", _])
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

    use nix::unistd::Pid;

    use crate::pidfile::FileId;

    pub(crate) fn age(_: Pid, _: bool) -> Option<Duration> {
        None
    }

    pub(crate) fn holds_lock(_: Pid, _: FileId) -> Option<bool> {
        None
    }
}
