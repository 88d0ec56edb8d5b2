//! What `/proc` reports about processes ([proc(5)](https://man7.org/linux/man-pages/man5/proc.5.html)).

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;

#[cfg(all(feature = "json", target_os = "linux"))]
pub(crate) use linux::{Usage, descendants, moment};
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    age, holds_lock, is_background_job, is_this_program, open_file, other_program, parent, processes,
    require, shows_locks, thread_names,
};
#[cfg(all(feature = "json", not(target_os = "linux")))]
pub(crate) use unknown::{Usage, descendants, moment};
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::{
    age, holds_lock, is_background_job, is_this_program, open_file, other_program, parent, processes,
    require, shows_locks, thread_names,
};

/// Reads a short file of `/proc`.
pub(crate) fn read(path: &str) -> Option<String> {
    examine_text(path, |text| Some(text.to_owned()))
}

/// Reads a short file of `/proc` by one call, because several calls could see several states.
fn examine_text<T>(path: &str, examine: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    // The buffer is small, because what the launcher puts on its stack stays with the daemon as memory of its own.
    let mut text = [0; 2048];
    let file = fs::File::open(path).ok()?;
    let length = file.read_at(&mut text, 0).ok()?;
    if length < text.len() {
        return examine(&String::from_utf8_lossy(&text[..length]));
    }
    let mut text = vec![0; 16 << 10];
    let length = file.read_at(&mut text, 0).ok()?;
    examine(&String::from_utf8_lossy(&text[..length]))
}

/// The state of a process at one moment
/// ([proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)). What `/proc` does not report is
/// `None`.
#[derive(Default)]
pub(crate) struct Status {
    /// The number of threads.
    pub(crate) threads: Option<u64>,
    /// A number that is greater than that of every open descriptor.
    pub(crate) descriptors_end: Option<RawFd>,
    /// The signals that the process ignores, as bits. The lowest bit is signal 1.
    pub(crate) ignored: Option<u64>,
    /// The signals that the process catches.
    pub(crate) caught: Option<u64>,
    /// The signals that the process's first thread blocks.
    pub(crate) blocked: Option<u64>,
}

impl Status {
    /// Reads the state of `self` or of a PID, in one call.
    pub(crate) fn read(process: impl fmt::Display) -> Option<Self> {
        examine_text(&format!("/proc/{process}/status"), |text| Some(Self::parse(text)))
    }

    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
            // If the process has very many groups, the text is cut off, perhaps in the middle of a set.
            let signals = || u64::from_str_radix(value, 16).ok().filter(|_| value.len() == 16);
            match name {
                "Threads" => status.threads = value.parse().ok(),
                "FDSize" => status.descriptors_end = value.parse().ok(),
                "SigIgn" => status.ignored = signals(),
                "SigCgt" => status.caught = signals(),
                "SigBlk" => status.blocked = signals(),
                _ => {}
            }
        }
        status
    }
}

/// Returns whether a set of signals has this one.
pub(crate) fn has_signal(set: u64, signal: i32) -> bool {
    set >> (signal - 1) & 1 == 1
}

/// Lists a directory of descriptors. Fails if the listing breaks off before its end.
pub(crate) fn descriptors(directory: &str) -> io::Result<Vec<RawFd>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(directory)? {
        listed.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(listed)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    use std::str::FromStr;
    use std::time::Duration;
    use std::{fmt, fs, io};

    use nix::errno::Errno;
    use nix::fcntl::OFlag;
    use nix::sys::signal::kill;
    use nix::sys::stat::{FileStat, stat};
    use nix::unistd::{Pid, getpid, pipe2};
    #[cfg(feature = "json")]
    use nix::unistd::{SysconfVar, sysconf};

    use super::{descriptors, read};
    use crate::sys::clock;
    use crate::sys::file::FileId;
    use crate::sys::record_lock::{self, Bytes};

    /// Returns the age of a process.
    ///
    /// It follows from [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and the clock
    /// since boot. `is_verified` says that `/proc` is known to list this process under this PID.
    pub(crate) fn age(pid: Pid, is_verified: bool) -> Option<Duration> {
        if !is_verified && !has_our_pids() {
            return None;
        }
        let ticks: u64 = field(&read(&format!("/proc/{pid}/stat"))?, 22)?;
        let started = Duration::from_millis(ticks.checked_mul(1000)? / clock::ticks_per_second()?);
        clock::since_boot()?.checked_sub(started)
    }

    /// Returns whether a process itself holds a write lock on the first byte of a file, or `None` if `/proc` does not
    /// report it.
    ///
    /// `F_GETLK` names the process that took the lock. But the lock belongs to a table of descriptors, which processes
    /// can share (`CLONE_FILES`). If the process that took it has ended, another process may have its PID. The `lock:`
    /// lines of [`/proc/PID/fdinfo`](https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html) list only the locks
    /// of the process's own table.
    ///
    /// gVisor, WSL 1 and Linux before 4.1 have no such lines. So a missing line is proof only if a lock of our own has
    /// one.
    pub(crate) fn holds_lock(pid: Pid, file: FileId) -> Option<bool> {
        // The usual number of the pidfile, in a daemon that had no other file open.
        if look_for_lock(3, pid, file)? == Found::Lock {
            return Some(true);
        }
        if !has_our_pids() {
            return None;
        }
        match descriptors(&format!("/proc/{pid}/fd")) {
            Ok(fds) => {
                let mut most = Found::Nothing;
                for fd in fds {
                    most = look_for_lock(fd, pid, file).map_or(most, |found| most.max(found));
                    if most == Found::Lock {
                        return Some(true);
                    }
                }
                if most == Found::NoLines && !shows_locks() { None } else { Some(false) }
            }
            // No process has this PID any more. Otherwise the process is hidden (`hidepid`), or its first thread has
            // ended before the others.
            Err(_) if kill(pid, None) == Err(Errno::ESRCH) => Some(false),
            Err(_) => None,
        }
    }

    /// The evidence that a descriptor of a process gives about a file and its lock, in ascending order.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Found {
        /// It is another file.
        Nothing,
        /// It is the file, with no line about locks.
        NoLines,
        /// It is the file, with lines about other locks.
        OtherLocks,
        /// It is the file, and the process holds the lock.
        Lock,
    }

    /// Examines one descriptor of a process. Returns `None` if `/proc` does not report it.
    fn look_for_lock(fd: RawFd, pid: Pid, file: FileId) -> Option<Found> {
        match stat(format!("/proc/{pid}/fd/{fd}").as_str()) {
            Ok(stat) if FileId::new(&stat) == file => {
                let text = read(&format!("/proc/{pid}/fdinfo/{fd}"))?;
                Some(if text.lines().any(is_write_lock_of_first_byte) {
                    Found::Lock
                } else if has_lock_lines(&text) {
                    Found::OtherLocks
                } else {
                    Found::NoLines
                })
            }
            Err(Errno::EACCES | Errno::EPERM) => None,
            _ => Some(Found::Nothing),
        }
    }

    /// Returns whether `/proc` shows locks, by a lock that this process takes on a pipe of its own.
    pub(crate) fn shows_locks() -> bool {
        let Ok((_reader, writer)) = pipe2(OFlag::O_CLOEXEC) else { return false };
        let byte = Bytes { start: 0, length: 1 };
        let text = record_lock::set(&writer, byte)
            .ok()
            .and_then(|()| read(&format!("/proc/{}/fdinfo/{}", getpid(), writer.as_raw_fd())));
        text.is_some_and(|text| has_lock_lines(&text))
    }

    fn has_lock_lines(fdinfo: &str) -> bool {
        fdinfo.lines().any(|line| line.starts_with("lock:"))
    }

    /// The program of a process.
    struct Program {
        path: PathBuf,
        /// Whether another file is at the path, or none.
        is_replaced: bool,
        id: FileId,
    }

    impl Program {
        /// Reads the program of `self` or of a PID.
        ///
        /// A program that has been replaced or removed since it was started keeps its path, with ` (deleted)` after it
        /// ([proc_pid_exe(5)](https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html)).
        fn of(process: impl fmt::Display) -> Option<Self> {
            let link = format!("/proc/{process}/exe");
            let mut path = fs::read_link(&link).ok()?.into_os_string().into_vec();
            let is_replaced = path.ends_with(REPLACED);
            path.truncate(path.len() - if is_replaced { REPLACED.len() } else { 0 });
            let id = FileId::new(&stat(link.as_str()).ok()?);
            Some(Self { path: OsString::from_vec(path).into(), is_replaced, id })
        }
    }

    const REPLACED: &[u8] = b" (deleted)";

    /// Returns the path of a process's program if it is proven to be a program other than this process's: both the path
    /// and the file differ.
    pub(crate) fn other_program(pid: Pid) -> Option<PathBuf> {
        let (own, other) = (Program::of("self")?, Program::of(pid)?);
        let is_other = own.path != other.path && own.id != other.id && has_our_pids();
        is_other.then_some(other.path)
    }

    /// Returns whether a process is proven to run this process's program: the same file, or another one that was at the
    /// same path before it was replaced.
    ///
    /// Another file that is still at the same path belongs to another container.
    pub(crate) fn is_this_program(pid: Pid) -> bool {
        let programs = (Program::of("self"), Program::of(pid));
        let (Some(own), Some(other)) = programs else { return false };
        own.id == other.id || own.path == other.path && (own.is_replaced || other.is_replaced)
    }

    /// Returns what a process has open under a number, with the path that the file now has. Returns `None` if this
    /// process may not know.
    pub(crate) fn open_file(pid: Pid, fd: RawFd) -> Option<(FileStat, PathBuf)> {
        let link = format!("/proc/{pid}/fd/{fd}");
        Some((stat(link.as_str()).ok()?, fs::read_link(&link).ok()?))
    }

    /// Returns the names of this process's threads.
    pub(crate) fn thread_names() -> Vec<String> {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        // A name may contain any byte.
        names.map(|name| name.trim_end().replace(char::is_control, "?")).collect()
    }

    /// Fails if there is no `/proc` in which processes can be found.
    pub(crate) fn require() -> io::Result<()> {
        fs::metadata("/proc/self/stat").map(drop)
    }

    /// Lists the processes, each with its parent. Returns `None` if `/proc` does not show our PID namespace.
    pub(crate) fn processes() -> Option<Vec<(Pid, Pid)>> {
        let entries = has_our_pids().then(|| fs::read_dir("/proc"))?.ok()?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok().map(Pid::from_raw));
        Some(pids.filter_map(|pid| Some((pid, parent(pid)?))).collect())
    }

    /// Returns the parent of a process.
    pub(crate) fn parent(pid: Pid) -> Option<Pid> {
        // The command may contain any byte.
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        field(&String::from_utf8_lossy(&stat), 4).map(Pid::from_raw)
    }

    /// The resources that a process uses.
    #[cfg(feature = "json")]
    pub(crate) struct Usage {
        pub(crate) parent: Pid,
        /// The time between the machine's start and the process's.
        pub(crate) started: Duration,
        pub(crate) age: Duration,
        /// The CPU time of all its threads, in the process and in the kernel for it.
        pub(crate) cpu: Duration,
        /// The memory that is resident, in bytes.
        pub(crate) memory: u64,
    }

    #[cfg(feature = "json")]
    impl Usage {
        /// Reads the usage of a live process in our own PID namespace.
        ///
        /// It is in [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and
        /// [`/proc/PID/statm`](https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html).
        pub(crate) fn of(pid: Pid) -> Option<Self> {
            if !has_our_pids() {
                return None;
            }
            let (stat, statm) = (read(&format!("/proc/{pid}/stat"))?, read(&format!("/proc/{pid}/statm"))?);
            if !is_alive(&stat) {
                return None;
            }
            let per_second = clock::ticks_per_second()?;
            let time = |ticks: u64| Some(Duration::from_millis(ticks.checked_mul(1000)? / per_second));
            let started = time(field(&stat, 22)?)?;
            let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
            Some(Self {
                parent: Pid::from_raw(field(&stat, 4)?),
                started,
                age: clock::since_boot()?.checked_sub(started)?,
                cpu: time(field::<u64>(&stat, 14)? + field::<u64>(&stat, 15)?)?,
                memory: pages * u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?,
            })
        }
    }

    /// Returns the present moment, to compare the start of a process with.
    #[cfg(feature = "json")]
    pub(crate) fn moment() -> Option<Duration> {
        clock::since_boot()
    }

    /// Counts the live processes below another one. Returns `None` if `/proc` does not show our PID namespace.
    #[cfg(feature = "json")]
    pub(crate) fn descendants(of: Pid) -> Option<usize> {
        let processes = processes()?;
        let mut found = vec![of];
        for at in 0.. {
            let Some(parent) = found.get(at).copied() else { break };
            let children = processes.iter().filter(|(pid, its_parent)| *its_parent == parent && *pid != of);
            found.extend(children.map(|(pid, _)| *pid));
        }
        let is_alive = |pid: &Pid| read(&format!("/proc/{pid}/stat")).is_some_and(|stat| is_alive(&stat));
        Some(found[1..].iter().filter(|pid| is_alive(pid)).count())
    }

    /// Returns whether a process has not ended yet.
    #[cfg(feature = "json")]
    fn is_alive(stat: &str) -> bool {
        field(stat, 3).is_some_and(|state: char| !"ZX".contains(state))
    }

    /// Returns whether a job other than this process's has its terminal (fields 5 and 8 of `/proc/PID/stat`).
    pub(crate) fn is_background_job() -> bool {
        let Some(stat) = read("/proc/self/stat") else { return false };
        let fields = stat.rsplit_once(')').map(|(_, after)| after.split(' ').collect::<Vec<_>>());
        let field =
            |number: usize| fields.as_ref().and_then(|fields| fields.get(number - 2)?.parse::<i32>().ok());
        matches!((field(5), field(8)), (Some(own), Some(terminals)) if terminals > 0 && own != terminals)
    }

    /// Returns whether `/proc` shows our own PID namespace. In another one, the same PIDs mean other processes.
    fn has_our_pids() -> bool {
        let own = read("/proc/self/stat");
        own.is_some_and(|own| own.split(' ').next() == Some(&getpid().to_string()))
    }

    /// Reads a field after the second one, which is the command in parentheses. That may itself contain spaces and
    /// parentheses.
    fn field<T: FromStr>(stat: &str, number: usize) -> Option<T> {
        let (_, after_command) = stat.rsplit_once(')')?;
        after_command.split(' ').nth(number - 2)?.parse().ok()
    }

    /// Reads a line such as `lock:  1: POSIX  ADVISORY  WRITE 42 00:1b:5678 0 1`.
    fn is_write_lock_of_first_byte(line: &str) -> bool {
        let expected = ["lock:", "", "POSIX", "", "WRITE", "", "", "0"];
        let mut words = line.split_ascii_whitespace();
        expected.iter().all(|expected| words.next().is_some_and(|word| [word, ""].contains(expected)))
    }

    #[cfg(test)]
    mod tests {
        use super::super::Status;
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
        fn a_set_that_is_cut_off_is_unknown() {
            let text = "Name:\ta\nFDSize:\t64\nThreads:\t2\nSigBlk:\t0000000000000001\nSigIgn:\t00000000";
            let status = Status::parse(text);
            assert_eq!((status.descriptors_end, status.threads), (Some(64), Some(2)));
            assert_eq!((status.blocked, status.ignored, status.caught), (Some(1), None, None));
        }

        #[test]
        fn a_command_with_parentheses_hides_no_field() {
            let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3";
            assert_eq!(field(stat, 22), Some(987_654));
        }
    }
}

/// Other systems have no `/proc` with this content.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::io;
    use std::os::fd::RawFd;
    use std::path::PathBuf;
    use std::time::Duration;

    use nix::sys::stat::FileStat;
    use nix::unistd::Pid;

    use crate::sys::file::FileId;

    pub(crate) fn age(_: Pid, _: bool) -> Option<Duration> {
        None
    }

    pub(crate) fn holds_lock(_: Pid, _: FileId) -> Option<bool> {
        None
    }

    pub(crate) fn other_program(_: Pid) -> Option<PathBuf> {
        None
    }

    #[cfg(feature = "json")]
    pub(crate) struct Usage {
        pub(crate) parent: Pid,
        pub(crate) started: Duration,
        pub(crate) age: Duration,
        pub(crate) cpu: Duration,
        pub(crate) memory: u64,
    }

    #[cfg(feature = "json")]
    impl Usage {
        pub(crate) fn of(_: Pid) -> Option<Self> {
            None
        }
    }

    #[cfg(feature = "json")]
    pub(crate) fn moment() -> Option<Duration> {
        None
    }

    #[cfg(feature = "json")]
    pub(crate) fn descendants(_: Pid) -> Option<usize> {
        None
    }

    pub(crate) fn open_file(_: Pid, _: RawFd) -> Option<(FileStat, PathBuf)> {
        None
    }

    pub(crate) fn is_background_job() -> bool {
        false
    }

    pub(crate) fn is_this_program(_: Pid) -> bool {
        false
    }

    pub(crate) fn shows_locks() -> bool {
        false
    }

    pub(crate) fn require() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn processes() -> Option<Vec<(Pid, Pid)>> {
        None
    }

    pub(crate) fn parent(_: Pid) -> Option<Pid> {
        None
    }

    pub(crate) fn thread_names() -> Vec<String> {
        Vec::new()
    }
}
