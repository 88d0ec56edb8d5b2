//! strace on one process, from the moment at which the process has halted itself.
//!
//! strace counts the calls of each process separately. Without `-f` it follows only the process
//! that it attaches to. "The third `openat` of the daemon" is therefore one certain call, although
//! the launcher, the first child and the dynamic loader make such calls too.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Process, wait_until};

/// A strace that is attached to a process and records its calls.
pub struct Strace {
    child: Child,
    trace: PathBuf,
}

impl Strace {
    /// Attaches to a process, with an injection such as `openat:error=EMFILE:when=3`.
    pub fn attach(process: Process, trace: &Path, injection: Option<&str>) -> Self {
        let mut command = Command::new("strace");
        command.args(["-qq", "-s", "64", "-o"]).arg(trace).args(["-p", &process.to_string()]);
        if let Some(injection) = injection {
            command.args(["-e", &format!("inject={injection}")]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let strace = Self { child: child.expect("strace runs"), trace: trace.into() };
        let tracer = strace.child.id().to_string();
        wait_until(format_args!("strace on {process}"), || {
            // Once it has attached, it sleeps until the first event. It has exited if the first
            // call has ended the process.
            let state =
                Process(strace.child.id().try_into().expect("a pid")).try_status("State").unwrap_or_default();
            let is_on = process.try_status("TracerPid").is_none_or(|pid| pid == tracer);
            is_on && state.starts_with('S') || state.starts_with('Z')
        });
        strace
    }

    /// Lets the process continue without strace, and returns its calls so far.
    pub fn detach(self) -> Trace {
        let _ = kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), Signal::SIGTERM);
        self.end()
    }

    /// Waits until the process has ended, and returns its calls.
    pub fn end(mut self) -> Trace {
        wait_until("the end of strace", || self.child.try_wait().expect("a child").is_some());
        Trace::read(&self.trace)
    }

    /// Returns whether the process is suspended. Its state does not show this while strace is
    /// attached.
    pub fn is_suspended(&self) -> bool {
        let text = fs::read_to_string(&self.trace).unwrap_or_default();
        text.ends_with("--- stopped by SIGSTOP ---\n")
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns whether a signal has suspended a process.
pub fn is_halted(process: Process) -> bool {
    process.try_status("State").is_some_and(|state| state.starts_with('T'))
}

/// The calls of one process, in order.
pub struct Trace(Vec<Call>);

/// A call such as `openat(AT_FDCWD, "/tmp/x", O_RDONLY) = 3`.
#[derive(Clone)]
pub struct Call {
    pub name: String,
    /// The number of this call among all calls of its name, from one on.
    pub when: usize,
    pub line: String,
}

impl Trace {
    fn read(path: &Path) -> Self {
        let lines = fs::File::open(path).map(|file| BufReader::new(file).lines());
        let mut counts = HashMap::new();
        let mut calls: Vec<Call> = Vec::new();
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            let Some((name, _)) = line.split_once('(') else { continue };
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                let name = name.to_owned();
                let when = counts.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
                calls.push(Call { name, when: *when, line });
            }
        }
        Self(calls)
    }

    pub fn calls(&self) -> &[Call] {
        &self.0
    }

    /// Returns whether strace has made a call fail.
    pub fn has_injection(&self) -> bool {
        self.0.iter().any(|call| call.line.ends_with("(INJECTED)"))
    }
}

/// Tells of each call whether it belongs to a look at all processes of the system, which takes thousands of calls. The
/// first process that is looked at does not count.
pub fn are_of_look(calls: &[Call]) -> Vec<bool> {
    let is_look = |call: &Call| {
        let path = call.line.split_once("\"/proc/").map_or("", |(_, rest)| rest);
        call.name == "openat" && path.split_once("/stat\"").is_some_and(|(pid, _)| pid.parse::<u32>().is_ok())
    };
    let (mut looks, mut is_in) = (0, false);
    let tell = |call: &Call| {
        if is_look(call) {
            looks += 1;
            is_in = looks > 1;
        }
        let tells = is_in;
        is_in &= call.name != "close";
        tells
    };
    calls.iter().map(tell).collect()
}
