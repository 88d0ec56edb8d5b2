//! The helper programs that need other crates, and daemons made of them.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use nix::sys::signal::Signal;

use crate::{Answer, Process, Subject, build, wait_until};

/// Returns the path of one of these programs, built once for each test program.
pub fn program(name: &str) -> &'static Path {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let package = ["--package", "daemonic-test-async-programs"];
    let programs = PROGRAMS.get_or_init(|| {
        let all = ["asynchronous", "inside", "nested", "pair", "service", "whole_async"];
        let mut programs = build(&[&package[..], &all.map(|name| ["--bin", name]).concat()].concat());
        // The features of the others would change this one.
        programs.extend(build(&[&package[..], &["--no-default-features", "--bin", "inside_plain"]].concat()));
        programs
    });
    programs.iter().find(|path| path.ends_with(name)).expect("a program of that name")
}

/// A daemon in the directory of a [`Subject`] that runs another program.
///
/// Dropping it kills every process that descends from it.
pub struct Service {
    subject: Subject,
    program: PathBuf,
}

impl Deref for Service {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

impl Service {
    pub fn of(program: &Path) -> Self {
        Self { subject: Subject::new(), program: program.into() }
    }

    /// The program `service`, whose body is a script with a `Context`.
    pub fn new(body: &str) -> Self {
        Self::of(program("service")).key("body", body)
    }

    /// A variant of the program `asynchronous`.
    pub fn variant(variant: &str) -> Self {
        Self::of(program("asynchronous")).key("variant", variant)
    }

    pub fn key(self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        Self { subject: self.subject.key(key, value), ..self }
    }

    pub fn without(self, key: &str) -> Self {
        Self { subject: self.subject.without(key), ..self }
    }

    pub fn form(self, form: &str) -> Self {
        self.key("form", form)
    }

    /// Lets `start` wait for the body.
    pub fn waiting(self, milliseconds: u32) -> Self {
        self.key("wait_ready", milliseconds.to_string())
    }

    /// Sets the script, whose step `until` waits for the file that [`go`](Self::go) makes.
    pub fn until(self, body: &str) -> Self {
        let body = body.replace("until", &format!("until {}", self.path("go").display()));
        self.key("body", body)
    }

    /// Makes the file that the step `until` waits for.
    pub fn go(&self) {
        fs::write(self.path("go"), "").expect("a file");
    }

    pub fn folder(&self) -> PathBuf {
        self.pidfile().parent().expect("a directory").into()
    }

    pub fn action(&self, action: &str) -> Command {
        let mut command = self.command(&self.program);
        command.arg(action);
        command
    }

    pub fn act(&self, action: &str) -> Answer {
        Answer::of(self.action(action))
    }

    #[track_caller]
    pub fn start(&self) -> Process {
        self.act("start").started()
    }

    /// Begins an action without waiting for its end.
    pub fn begin(&self, action: &str) -> Child {
        self.action(action).spawn().expect("the program runs")
    }

    /// Stops the daemon, which must return by itself.
    #[track_caller]
    pub fn stop(&self, daemon: Process) {
        self.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }

    /// Kills a daemon that would not end by itself.
    #[track_caller]
    pub fn stop_by_kill(&self, daemon: Process) {
        daemon.signal(Signal::SIGKILL);
        daemon.wait_until_gone();
        self.act("stop").says(0, "subject: not running");
    }

    /// Runs the daemon in the foreground, with its output in the log, and waits until it is set up.
    pub fn run(&self) -> Run {
        self.run_by(self.action("run"))
    }

    pub fn run_by(&self, mut command: Command) -> Run {
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("a log");
        let child = command.stdout(log).spawn().expect("the program runs");
        let process = Process(child.id().try_into().expect("a pid"));
        wait_until("the pidfile of run", || self.pid_text() == format!("{process}\n"));
        Run { child, process }
    }

    /// Returns the process that the pidfile names.
    pub fn daemon(&self) -> Process {
        wait_until("a pidfile", || self.pid_text().ends_with('\n'));
        Process(self.pid_text().trim().parse().expect("a pid"))
    }

    /// Returns the process at the end of a line of the log such as `forked 42`.
    pub fn number(&self, word: &str) -> Process {
        let find = || {
            let text = self.log_text();
            let (_, rest) = text.split_once(&format!("{word} "))?;
            rest.split_once('\n')?.0.parse().ok().map(Process)
        };
        crate::wait_for(format_args!("{word} and a number"), find)
    }

    /// Waits until the log has exactly this text.
    #[track_caller]
    pub fn logs(&self, text: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.log_text() != text {
            assert!(std::time::Instant::now() < deadline, "{:?} isn't {text:?}", self.log_text());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Lists the live processes that descend from this one, whatever program they run.
    pub fn processes(&self) -> Vec<Process> {
        let all = Process::with_environment(&format!("SUBJECT_FOLDER={}", self.folder().display()));
        all.into_iter().filter(|process| process.is_alive()).collect()
    }

    /// Fails if there is a process or a pidfile.
    #[track_caller]
    pub fn left_nothing(&self) {
        assert_eq!(self.processes(), [], "processes are left");
        assert!(fs::symlink_metadata(self.pidfile()).is_err(), "the pidfile is left");
    }

    /// Fails if there is a process, or a pidfile without the reason of a death.
    #[track_caller]
    pub fn left_a_reason(&self) {
        assert_eq!(self.processes(), [], "processes are left");
        let text = fs::read_to_string(self.pidfile()).unwrap_or_default();
        assert!(text.contains("\nfailed ") && text.lines().count() == 2, "{text:?}");
    }
}

/// A daemon in the foreground.
pub struct Run {
    pub child: Child,
    pub process: Process,
}

impl Run {
    #[track_caller]
    pub fn answer(self) -> Answer {
        Answer::from(self.child)
    }
}
