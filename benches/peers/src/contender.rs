//! The programs that are compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a program takes its actions.
#[derive(Clone, Copy)]
enum Calls {
    /// `PROGRAM ACTION DIRECTORY`.
    Actions,
    Python,
    StartStopDaemon,
    Libslack,
}

/// A program that is compared.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    program: PathBuf,
    calls: Calls,
    /// Where its pidfile and its log are.
    pub directory: PathBuf,
}

impl Contender {
    /// Returns every program that can run here, by hand first; prints which are missing.
    pub fn all(programs: &Path, statics: Option<&Path>, scratch: &Path) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |name: &'static str, program: PathBuf, calls: Calls| {
            let directory = scratch.join(name.replace(['`', ' ', ',', '/'], "-"));
            std::fs::create_dir_all(&directory).expect("a directory");
            all.push(Self { name, program, calls, directory });
        };
        let tool = |name: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            // The system's own first: a wrapper of Python in the user's path takes its time.
            let system = ["/usr/bin", "/usr/sbin", "/sbin"].map(Into::into);
            let places = system.into_iter().chain(std::env::split_paths(&path));
            let found = places.map(|place| place.join(name)).find(|place| place.is_file());
            if found.is_none() {
                eprintln!("without {name}, which is not installed");
            }
            found
        };
        add(BY_HAND, programs.join("by_hand"), Calls::Actions);
        add("C, static", programs.join("by_hand_c"), Calls::Actions);
        for (name, program) in [
            (OURS, "plain"),
            ("daemonic, `Context`", "context"),
            ("daemonic, `wait_ready`", "ready"),
            ("daemonic, repeating", "repeat"),
            ("daemonic, supervised", "supervised"),
        ] {
            add(name, programs.join(program), Calls::Actions);
        }
        if let Some(statics) = statics {
            add("daemonic, static", statics.join("plain"), Calls::Actions);
            add("by hand, static", statics.join("by_hand"), Calls::Actions);
        }
        add("`daemonize`", programs.join("with_daemonize"), Calls::Actions);
        add("`daemonizr`", programs.join("with_daemonizr"), Calls::Actions);
        add("`fork`", programs.join("with_fork"), Calls::Actions);
        if let Some(python) = tool("python3") {
            add("Python decorators", python, Calls::Python);
        }
        if let Some(tool) = tool("start-stop-daemon") {
            add("start-stop-daemon", tool, Calls::StartStopDaemon);
        }
        if let Some(tool) = tool("daemon") {
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

    /// Whether the program can answer `status` and `restart` by itself.
    pub fn knows(&self, action: &str) -> bool {
        match self.calls {
            Calls::Actions => true,
            Calls::Python => action != "status",
            Calls::StartStopDaemon | Calls::Libslack => action != "restart",
        }
    }

    /// Makes the command of an action.
    pub fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.program);
        let sleeper = || std::env::current_exe().expect("this program").with_file_name("sleeper");
        let (pidfile, log) = (self.pidfile(), self.directory.join("d.log"));
        match (self.calls, action) {
            (Calls::Actions, _) => {
                command.arg(action).arg(&self.directory);
            }
            (Calls::Python, _) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/decorators.py");
                command.arg(script).arg(action).arg(&self.directory);
            }
            (Calls::StartStopDaemon, "start") => {
                command.args(["--start", "--quiet", "--background", "--make-pidfile", "--pidfile"]);
                command.arg(pidfile).arg("--output").arg(log).arg("--exec").arg(sleeper());
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
                command.arg("--pidfile").arg(pidfile).arg("--output").arg(log).arg("--").arg(sleeper());
            }
            (Calls::Libslack, _) => {
                command.arg("--pidfile").arg(pidfile).arg(if action == "stop" {
                    "--stop"
                } else {
                    "--running"
                });
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The measure of all others.
pub const BY_HAND: &str = "by hand, Rust and nix";

/// This crate's plain daemon.
pub const OURS: &str = "daemonic";
