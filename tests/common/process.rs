//! A process, as `/proc` shows it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{wait_for, wait_until};

/// The exit status of the last process with each PID. [`reap_daemons`](crate::way::reap_daemons)
/// may take the status of a daemon that a parallel test waits for.
static REAPED: Mutex<BTreeMap<Process, WaitStatus>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process(pub i32);

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Process {
    /// Lists the processes whose environment has an entry.
    pub fn with_environment(entry: &str) -> Vec<Self> {
        let has = |process: &Self| {
            let environment = fs::read(process.path("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|other| other == entry.as_bytes())
        };
        let all = fs::read_dir("/proc").expect("/proc");
        let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok().map(Self);
        all.flatten().filter_map(pid).filter(has).collect()
    }

    /// Returns whether it runs. A zombie does not.
    pub fn is_alive(self) -> bool {
        fs::read_to_string(self.path("status")).is_ok_and(|text| {
            !text.lines().any(|line| line.starts_with("State:\tZ") || line.starts_with("State:\tX"))
        })
    }

    pub fn wait_until_gone(self) {
        wait_until(format_args!("the end of {self}"), || !self.is_alive());
    }

    /// Waits for its end, and returns how it ended. It must be an orphan, or a child of this
    /// process.
    pub fn ending(self) -> WaitStatus {
        wait_for(format_args!("the end of {self}"), || self.reap().expect("a child"))
    }

    /// Takes its exit status if it has ended, or returns the one that another test has taken.
    ///
    /// # Errors
    ///
    /// There is neither a child with this PID nor an exit status of one.
    pub fn reap(self) -> nix::Result<Option<WaitStatus>> {
        let mut reaped = REAPED.lock().expect("no panic");
        match waitpid(Pid::from_raw(self.0), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => Ok(None),
            Ok(status) => {
                reaped.insert(self, status);
                Ok(Some(status))
            }
            Err(Errno::ECHILD) => reaped.get(&self).copied().map(Some).ok_or(Errno::ECHILD),
            Err(error) => Err(error),
        }
    }

    /// Waits for its end, which must be an exit, and returns the code.
    pub fn exit_code(self) -> i32 {
        match self.ending() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("no exit: {other:?}"),
        }
    }

    /// Waits for its end, which must be by a signal, and returns the signal.
    pub fn killer(self) -> Signal {
        match self.ending() {
            WaitStatus::Signaled(_, signal, _) => signal,
            other => panic!("not killed: {other:?}"),
        }
    }

    pub fn signal(self, signal: Signal) {
        kill(Pid::from_raw(self.0), signal).expect("a process to signal");
    }

    /// Reads a line of `/proc/PID/status`.
    pub fn status(self, field: &str) -> String {
        self.try_status(field).expect("a process, and a field of /proc/PID/status")
    }

    /// Reads a line of `/proc/PID/status`. Returns `None` if the process is gone.
    pub fn try_status(self, field: &str) -> Option<String> {
        let text = fs::read_to_string(self.path("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(|line| line.trim().to_owned())
    }

    /// Reads a set of signals out of `/proc/PID/status`.
    pub fn signals(self, field: &str) -> Vec<Signal> {
        let mask = u64::from_str_radix(&self.status(field), 16).expect("a mask");
        let numbers = (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1);
        numbers.filter_map(|number| Signal::try_from(number).ok()).collect()
    }

    /// Reads a field of `/proc/PID/stat` from the third on, counted as in proc(5). Returns `None`
    /// if the process is gone.
    pub fn stat(self, field: usize) -> Option<i32> {
        let text = fs::read_to_string(self.path("stat")).ok()?;
        let (_, rest) = text.rsplit_once(')')?;
        rest.split_whitespace().nth(field - 3)?.parse().ok()
    }

    pub fn parent(self) -> Option<Self> {
        self.stat(4).map(Self)
    }

    pub fn session(self) -> Option<Self> {
        self.stat(6).map(Self)
    }

    /// Lists its other threads than the first, in the order in which they began.
    pub fn other_threads(self) -> Vec<Self> {
        let tasks = fs::read_dir(self.path("task")).into_iter().flatten().flatten();
        let mut threads: Vec<_> =
            tasks.filter_map(|task| task.file_name().to_str()?.parse().ok().map(Self)).collect();
        threads.retain(|thread| *thread != self);
        threads.sort_unstable();
        threads
    }

    /// Reads one of its links: `cwd`, `exe`, `fd/0`.
    pub fn link(self, name: &str) -> PathBuf {
        fs::read_link(self.path(name)).unwrap_or_default()
    }

    /// Lists its descriptors with the files that they refer to, in the order of their numbers.
    pub fn descriptors(self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(self.path("fd")).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse().ok());
        let mut numbers: Vec<u32> = entries.filter_map(number).collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|fd| (fd, self.link(&format!("fd/{fd}")))).collect()
    }

    pub fn has_open(self, path: &Path) -> bool {
        self.descriptors().iter().any(|(_, open)| open == path)
    }

    /// Counts its TCP connections. A socket in the state 0A listens, see proc(5).
    pub fn connections(self) -> usize {
        let table = fs::read_to_string(self.path("net/tcp")).expect("a process");
        let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let connected: Vec<_> = rows
            .filter(|row| row[3] != "0A")
            .map(|row| PathBuf::from(format!("socket:[{}]", row[9])))
            .collect();
        self.descriptors().iter().filter(|(_, link)| connected.contains(link)).count()
    }

    /// Lists its children, including zombies.
    pub fn children(self) -> String {
        fs::read_to_string(self.path(&format!("task/{self}/children"))).expect("a process")
    }

    /// Returns the words of its command line.
    pub fn command_line(self) -> Vec<OsString> {
        let text = fs::read(self.path("cmdline")).unwrap_or_default();
        text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
    }

    fn path(self, name: &str) -> PathBuf {
        format!("/proc/{self}/{name}").into()
    }
}
