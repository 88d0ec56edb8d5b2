//! The programs that are compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::building::Statics;

/// How a program takes its actions.
#[derive(Clone, Copy)]
enum Calls {
    /// `PROGRAM ACTION DIRECTORY`.
    Actions,
    /// The same, with all actions of this crate.
    Ours,
    Python,
    StartStopDaemon,
    Libslack,
}

/// A program that is compared.
#[derive(Clone)]
pub struct Contender {
    pub name: String,
    program: PathBuf,
    calls: Calls,
    /// What the tools that start another program start.
    sleeper: PathBuf,
    /// Where its pidfile and its log are.
    pub directory: PathBuf,
}

impl Contender {
    /// Returns every program that can run here, by hand first; prints which are missing.
    pub fn all(programs: &Path, statics: Option<&Statics>, scratch: &Path) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |name: &str, program: PathBuf, calls: Calls| {
            let directory = scratch.join(name.replace(['`', ' ', ',', '/'], "-"));
            std::fs::create_dir_all(&directory).expect("a directory");
            let (name, sleeper) = (name.to_owned(), programs.join("sleeper"));
            all.push(Self { name, program, calls, sleeper, directory });
        };
        let tool = |name: &str, package: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            // The system's own first: a wrapper of Python in the user's path takes its time.
            let system = ["/usr/bin", "/usr/sbin", "/sbin"].map(Into::into);
            let places = system.into_iter().chain(std::env::split_paths(&path));
            let found = places.map(|place| place.join(name)).find(|place| place.is_file());
            if found.is_none() {
                eprintln!("without {name}, which is not installed: apt-get install {package}");
            }
            found
        };
        add(BY_HAND, programs.join("by_hand"), Calls::Actions);
        add("C, static", programs.join("by_hand_c"), Calls::Actions);
        add("by hand, with our image", programs.join("linked"), Calls::Actions);
        for (name, program) in FORMS {
            add(name, programs.join(program), Calls::Ours);
        }
        if let Some(Statics { libc, programs }) = statics {
            for (name, program) in FORMS {
                add(&format!("{name}, static ({libc})"), programs.join(program), Calls::Ours);
            }
            add(&format!("by hand, static ({libc})"), programs.join("by_hand"), Calls::Actions);
        }
        add("`daemonize`", programs.join("with_daemonize"), Calls::Actions);
        add("`daemonizr`", programs.join("with_daemonizr"), Calls::Actions);
        add("`fork`", programs.join("with_fork"), Calls::Actions);
        if let Some(python) = tool("python3", "python3") {
            add("Python decorators", python, Calls::Python);
        }
        if let Some(tool) = tool("start-stop-daemon", "dpkg") {
            add("start-stop-daemon", tool, Calls::StartStopDaemon);
        }
        if let Some(tool) = tool("daemon", "daemon") {
            add("libslack `daemon`", tool, Calls::Libslack);
        }
        all
    }

    /// Returns the same program with files of its own in another directory.
    pub fn within(&self, directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ..self.clone() }
    }

    pub fn pidfile(&self) -> PathBuf {
        self.directory.join("d.pid")
    }

    /// Whether the program has an action beside `start` and `stop`.
    pub fn knows(&self, action: &str) -> bool {
        match self.calls {
            Calls::Ours => true,
            Calls::Actions => !["ensure", "reload"].contains(&action),
            Calls::Python => action == "restart",
            Calls::StartStopDaemon | Calls::Libslack => action == "status",
        }
    }

    /// Makes the command that stops every daemon of the program, as those of this crate [in numbers](IN_NUMBERS) have it.
    pub fn stop_of_all(&self) -> Option<Command> {
        let Calls::Ours = self.calls else { return None };
        let mut command = Command::new(&self.program);
        command.args(["--all", "stop"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(command)
    }

    /// Makes the command of an action.
    pub fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.program);
        let (pidfile, log) = (self.pidfile(), self.directory.join("d.log"));
        match (self.calls, action) {
            (Calls::Actions | Calls::Ours, _) => {
                command.arg(action).arg(&self.directory);
            }
            (Calls::Python, _) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/decorators.py");
                command.arg(script).arg(action).arg(&self.directory);
            }
            (Calls::StartStopDaemon, "start") => {
                command.args(["--start", "--quiet", "--background", "--make-pidfile", "--pidfile"]);
                command.arg(pidfile).arg("--output").arg(log).arg("--exec").arg(&self.sleeper);
            }
            (Calls::StartStopDaemon, "stop") => {
                command.args([
                    "--stop",
                    "--quiet",
                    "--retry",
                    "TERM/10/KILL",
                    "--remove-pidfile",
                    "--pidfile",
                ]);
                // Without `--exec`: right after the start, the process is not yet the other program.
                command.arg(pidfile);
            }
            (Calls::StartStopDaemon, _) => {
                command.arg("--status").arg("--pidfile").arg(pidfile);
            }
            (Calls::Libslack, "start") => {
                command
                    // Otherwise it refuses a program below a directory that all may write to, such as `/tmp`.
                    .args(["--unsafe", "--name", "daemonic-peers", "--pidfile"])
                    .arg(pidfile)
                    .arg("--output")
                    .arg(log)
                    .arg("--")
                    .arg(&self.sleeper);
            }
            (Calls::Libslack, _) => {
                command
                    .args(["--name", "daemonic-peers", "--pidfile"])
                    .arg(pidfile)
                    .arg(if action == "stop" { "--stop" } else { "--running" });
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The measure of all others.
pub const BY_HAND: &str = "by hand, Rust and nix";

/// This crate's plain daemon.
const PLAIN: &str = "daemonic";
const SUPERVISED: &str = "daemonic, supervised";

/// This crate's daemons, with their programs.
pub const FORMS: &[(&str, &str)] = &[
    (PLAIN, "plain"),
    ("daemonic, `Context`", "context"),
    ("daemonic, `wait_ready`", "ready"),
    ("daemonic, repeating", "repeat"),
    (SUPERVISED, "supervised"),
];

/// The programs that are also measured in great numbers.
pub const IN_NUMBERS: &[&str] = &[BY_HAND, PLAIN, SUPERVISED];
