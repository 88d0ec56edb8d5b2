//! A record of what the system knows after a wrong answer, for failures that are rare.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::Process;
use crate::torture::attempt;

/// How many system calls of a process a record shows.
const CALLS: usize = 50;

/// The kernel's own recording of system calls
/// ([tracefs](https://docs.kernel.org/trace/ftrace.html)), in a ring buffer. Unlike strace it does not
/// change who waits for whom, and costs little enough to be always on.
///
/// Dropping it ends the recording.
pub struct Recorder {
    name: String,
    instance: PathBuf,
    /// The file system, which is mounted nowhere.
    _root: File,
}

impl Recorder {
    /// Begins a recording of no process. Returns `None` where only the record without system calls can
    /// be had: without root, or without tracefs.
    pub fn begin() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("daemonic-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().expect("a directory");
        let tracefs = Some("tracefs");
        mount(tracefs, folder.path(), tracefs, MsFlags::empty(), None::<&str>).ok()?;
        let root = File::open(folder.path());
        umount2(folder.path(), MntFlags::MNT_DETACH).expect("a mount");
        let root = root.ok()?;
        let instance = format!("/proc/{}/fd/{}/instances/{name}", process::id(), root.as_raw_fd());
        fs::create_dir(&instance).ok()?;
        let recorder = Self { name, instance: instance.into(), _root: root };
        // The highest PID that there can be, which no process has: an empty list would mean all.
        let settings = [
            ("buffer_size_kb", "512"),
            ("options/event-fork", "1"),
            // Otherwise a reader that is recorded itself would never reach the end.
            ("options/pause-on-trace", "1"),
            ("set_event_pid", "4194303"),
            ("events/syscalls/enable", "1"),
        ];
        settings.iter().all(|(file, value)| recorder.set(file, value).is_ok()).then_some(recorder)
    }

    fn set(&self, file: &str, value: &str) -> std::io::Result<()> {
        File::options().append(true).open(self.instance.join(file))?.write_all(value.as_bytes())
    }

    /// Records a process, and its children from now on.
    pub fn follow(&self, process: Process) {
        let _ = self.set("set_event_pid", &process.to_string());
    }

    /// Returns the file that takes the PIDs of more processes to follow.
    pub fn list(&self) -> PathBuf {
        self.instance.join("set_event_pid")
    }

    /// Returns the path of the recording inside tracefs.
    pub fn trace(&self) -> String {
        format!("instances/{}/trace", self.name)
    }

    /// Returns the path inside tracefs of the file that takes `0` to pause the recording, and `1` to go on.
    pub fn switch(&self) -> String {
        format!("instances/{}/tracing_on", self.name)
    }

    /// Returns the last calls of a process, each with a line for its begin and one for its end.
    fn calls(&self, process: Process) -> String {
        let trace = fs::read(self.instance.join("trace")).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace);
        let task = format!("-{process} ");
        let lines: Vec<_> = trace.lines().filter(|line| line.contains(&task)).collect();
        lines[lines.len().saturating_sub(2 * CALLS)..].join("\n")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.set("events/syscalls/enable", "0");
        // A child of a parallel test has our descriptors for a moment, until it executes its program.
        let is_removed = || fs::remove_dir(&self.instance).is_ok();
        let _ = (0..100).any(|_| {
            is_removed() || {
                sleep(Duration::from_millis(2));
                false
            }
        });
    }
}

/// Does some work. If an assertion fails in it, fails with a record of these processes added.
#[track_caller]
pub fn recorded<R>(
    recorder: Option<&Recorder>,
    processes: impl FnOnce() -> Vec<Process>,
    work: impl FnOnce() -> R,
) -> R {
    attempt(work).unwrap_or_else(|message| panic!("{message}\n{}", record(recorder, &processes())))
}

fn record(recorder: Option<&Recorder>, processes: &[Process]) -> String {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut text = format!("---- /proc/locks\n{locks}");
    for process in processes {
        let read = |file| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let _ = write!(text, "---- /proc/{process}: stat, status, wchan\n{}", read("stat"));
        let fields = ["Name", "State", "PPid", "TracerPid", "Threads", "Sig", "ShdPnd"];
        let is_wanted = |line: &&str| fields.iter().any(|field| line.starts_with(field));
        for line in read("status").lines().filter(is_wanted) {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "{}", read("wchan"));
        let calls =
            recorder.map_or_else(|| "not recorded: no root, or no tracefs".into(), |all| all.calls(*process));
        let _ = writeln!(text, "---- the last system calls of {process}\n{calls}");
    }
    text
}
