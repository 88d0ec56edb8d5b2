//! strace on one process, from the point on at which this has stopped itself.
//!
//! strace counts the calls of each process of its own, and without `-f` it follows only the one that it was
//! given. So "the third `openat` of the daemon" is one certain call, though launcher and first child have made
//! such calls too, and so has the dynamic loader.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Process, wait_until};

/// A strace that is attached to a process, and writes down its calls.
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
            // It sleeps, waiting for the first event, when it has attached and told the kernel what it wants; and
            // it is gone when the first call has ended the process.
            let state =
                Process(strace.child.id().try_into().expect("a pid")).try_status("State").unwrap_or_default();
            let is_on = process.try_status("TracerPid").is_none_or(|pid| pid == tracer);
            is_on && state.starts_with('S') || state.starts_with('Z')
        });
        strace
    }

    /// Lets the process go on without strace, and gives what it has done.
    pub fn detach(self) -> Trace {
        let _ = kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), Signal::SIGTERM);
        self.end()
    }

    /// Waits until the process has ended, and gives what it has done.
    pub fn end(mut self) -> Trace {
        wait_until("the end of strace", || self.child.try_wait().expect("a child").is_some());
        Trace::read(&self.trace)
    }

    /// Tells whether the process is suspended; its state doesn't show that, since strace holds it.
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

/// Tells whether a process has been stopped by a signal.
pub fn is_halted(process: Process) -> bool {
    process.try_status("State").is_some_and(|state| state.starts_with('T'))
}

/// The calls of one process, in their order.
pub struct Trace(Vec<Call>);

/// A call such as `openat(AT_FDCWD, "/tmp/x", O_RDONLY) = 3`.
#[derive(Clone)]
pub struct Call {
    pub name: String,
    /// The number of this one among all calls of that name, from one on.
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

    /// Tells whether an injection has come to pass.
    pub fn has_injection(&self) -> bool {
        self.0.iter().any(|call| call.line.ends_with("(INJECTED)"))
    }
}
