//! A daemon under test: its directory, its keys, and its answers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::notice::unstamped;
use crate::{Process, program, wait_for, wait_until};

/// The user and group that own nothing.
const NOBODY: u32 = 65_534;

/// How long a program may take to answer or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon in a directory of its own, with `subject.pid` and `subject.log`. Its body sleeps.
///
/// Dropping it kills every process that descends from it.
pub struct Subject {
    folder: TempDir,
    program: PathBuf,
    keys: BTreeMap<String, OsString>,
}

impl Subject {
    pub fn new() -> Self {
        Self::of(program("subject"))
    }

    /// Makes one of another build of the program.
    pub fn of(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let subject = Self { folder, program: program.into(), keys: BTreeMap::new() };
        let (pidfile, log) = (subject.pidfile(), subject.log());
        subject.key("pidfile", pidfile).key("stdout", log).body("park")
    }

    /// Sets a key of the builder or one of the helper program.
    pub fn key(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.keys.insert(format!("SUBJECT_{}", key.to_uppercase()), value.as_ref().into());
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.keys.remove(&format!("SUBJECT_{}", key.to_uppercase()));
        self
    }

    /// Sets the script of the body.
    pub fn body(self, script: impl AsRef<OsStr>) -> Self {
        self.key("body", script)
    }

    /// Sets the script of a body that has a `Context`.
    pub fn graceful(self, script: impl AsRef<OsStr>) -> Self {
        self.key("context", "").body(script)
    }

    /// Sets the period and the script of a repeating daemon.
    pub fn every(self, milliseconds: u32, script: impl AsRef<OsStr>) -> Self {
        self.key("every", milliseconds.to_string()).body(script)
    }

    /// Moves everything to where any user may execute, read and write it.
    pub fn open_to_all(mut self) -> Self {
        let copy = self.path("subject");
        // Another process copies it. The fork of a parallel test would inherit the descriptor, and
        // executing the file would fail with ETXTBSY.
        let copied = Command::new("cp").arg(&self.program).arg(&copy).status();
        assert!(copied.expect("cp runs").success());
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o1777)).expect("permissions");
        self.program = copy;
        self
    }

    /// Returns a path in the daemon's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn pidfile(&self) -> PathBuf {
        self.path("subject.pid")
    }

    pub fn log(&self) -> PathBuf {
        self.path("subject.log")
    }

    /// Returns the log, [`unstamped`].
    pub fn log_text(&self) -> String {
        unstamped(&self.raw_log())
    }

    /// Returns the log as it is.
    pub fn raw_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Waits until the log has a line, and returns the log.
    #[track_caller]
    pub fn log_with(&self, line: &str) -> String {
        wait_until(format_args!("the line {line:?} in the log"), || {
            self.log_text().lines().any(|other| other == line)
        });
        self.log_text()
    }

    /// Returns the text of the pidfile.
    pub fn pid_text(&self) -> String {
        fs::read_to_string(self.pidfile()).unwrap_or_default()
    }

    /// Prepares one of the helper programs in this daemon's environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(&self.keys).env("SUBJECT_FOLDER", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Prepares an action.
    pub fn action(&self, action: &str) -> Command {
        let mut command = self.command(&self.program);
        command.arg(action);
        command
    }

    /// Prepares an action that a wrapper such as `env --ignore-signal=HUP` executes.
    pub fn wrapped(&self, wrapper: &[&str], action: &str) -> Command {
        let mut command = self.command(wrapper[0]);
        command.args(&wrapper[1..]).arg(&self.program).arg(action);
        command
    }

    /// Prepares an action that a shell executes after its own commands.
    pub fn after(&self, commands: &str, action: &str) -> Command {
        self.wrapped(&["sh", "-c", &format!("{commands}; exec \"$0\" \"$@\"")], action)
    }

    /// Prepares an action under strace, which writes to the file `trace`.
    pub fn traced(&self, arguments: &[&str], action: &str) -> Command {
        let trace = self.path("trace");
        let strace = ["strace", "-f", "-o", trace.to_str().expect("text")];
        self.wrapped(&[&strace, arguments].concat(), action)
    }

    /// Begins an action that strace suspends right after a certain call, and returns the suspended
    /// process.
    #[track_caller]
    pub fn held(&self, arguments: &[&str], call: &str, action: &str) -> (Child, Process) {
        let hold = format!("inject={call}:signal=STOP:when=1");
        let child = self.traced(&[arguments, &["-e", &hold]].concat(), action).spawn().expect("strace runs");
        let suspended = wait_for(format_args!("{action} to be suspended at {call}"), || {
            let trace = fs::read_to_string(self.path("trace")).ok()?;
            let line = trace.lines().find(|line| line.ends_with("--- stopped by SIGSTOP ---"))?;
            line.split_once(' ')?.0.parse().ok().map(Process)
        });
        (child, suspended)
    }

    /// Prepares an action of the user nobody.
    pub fn by_nobody(&self, action: &str) -> Command {
        let mut command = self.action(action);
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    /// Runs an action.
    pub fn act(&self, action: &str) -> Answer {
        Answer::of(self.action(action))
    }

    /// Starts the daemon, which must succeed, and returns its process.
    #[track_caller]
    pub fn start(&self) -> Process {
        self.act("start").started()
    }

    /// Runs the daemon in the foreground, and waits until it is set up.
    pub fn run(&self) -> Foreground {
        let run = self.run_by(self.action("run"));
        wait_until("the handlers of run", || run.process.signals("SigCgt").contains(&Signal::SIGHUP));
        run
    }

    /// Runs the daemon in the foreground by a command that becomes it, and waits until it is set up.
    pub fn run_by(&self, mut command: Command) -> Foreground {
        let child = command.spawn().expect("the subject runs");
        let process = Process(child.id().try_into().expect("a pid"));
        wait_until("the pidfile of run", || self.pid_text() == format!("{process}\n"));
        wait_until("the handlers of run", || process.signals("SigCgt").contains(&Signal::SIGTERM));
        Foreground { child, process }
    }

    /// Waits until a daemon in the foreground is no longer starting.
    #[track_caller]
    pub fn await_body(&self) {
        wait_until("the call of the body", || !self.act("status").stdout.contains(": starting "));
    }

    /// Starts one process that runs many actions.
    pub fn converse(&self) -> Conversation {
        Conversation::with(&mut self.action("converse"))
    }

    /// Starts a process that locks a file.
    pub fn lock(&self, path: &Path, kind: &str, start: i64, length: i64) -> Locker {
        self.locks(path, &[(kind, start, length)])
    }

    /// Starts a process that takes several locks on a file, in this order.
    pub fn locks(&self, path: &Path, locks: &[(&str, i64, i64)]) -> Locker {
        let mut command = self.command(program("locker"));
        command.arg(path);
        for (kind, start, length) in locks {
            command.args([kind, start.to_string().as_str(), &length.to_string()]);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the locker runs");
        let process = Process(child.id().try_into().expect("a pid"));
        let word = lines(child.stdout.take().expect("stdout")).recv_timeout(PATIENCE);
        assert_eq!(word.as_deref(), Ok("locked"));
        Locker { child, process }
    }

    /// Lists the live processes of this daemon's program that descend from it.
    pub fn processes(&self) -> Vec<Process> {
        let is_subject = |process: &Process| process.link("exe") == self.program && process.is_alive();
        self.everything().into_iter().filter(is_subject).collect()
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
        let text = self.pid_text();
        assert!(text.contains("\nfailed ") && text.lines().count() == 2, "{text:?}");
    }

    /// Waits until there is neither a process nor a pidfile.
    #[track_caller]
    pub fn leaves_nothing(&self) {
        wait_until("the end of all processes", || self.processes().is_empty());
        assert!(fs::symlink_metadata(self.pidfile()).is_err(), "the pidfile is left");
    }

    /// Lists the live processes of any program that descend from it.
    pub fn everything(&self) -> Vec<Process> {
        Process::with_environment(&format!("SUBJECT_FOLDER={}", self.folder.path().display()))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        for _ in 0..100 {
            let left = self.everything();
            if left.is_empty() {
                return;
            }
            for process in left {
                let _ = kill(Pid::from_raw(process.0), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The output of an action, and its exit status.
#[derive(Debug)]
pub struct Answer {
    pub status: ExitStatus,
    /// What it has printed, without the lines about the log and the next run.
    pub stdout: String,
    pub stderr: String,
    /// The log that `status` names in a further line.
    pub log: Option<PathBuf>,
    /// The next run that `status` names in a further line.
    pub next_run: Option<String>,
}

impl Answer {
    #[track_caller]
    pub fn of(mut command: Command) -> Self {
        Self::from(command.spawn().expect("the program runs"))
    }

    /// Waits for the end of a program and of its output.
    #[track_caller]
    pub fn from(child: Child) -> Self {
        let pid = child.id();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let output = receiver.recv_timeout(PATIENCE);
        let output =
            output.unwrap_or_else(|_| panic!("pid {pid} hangs, or its output is held open")).expect("output");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let (mut stdout, stderr) = (text(output.stdout), text(output.stderr));
        let next_run =
            stdout.lines().find_map(|line| line.strip_prefix("subject: next run ")).map(str::to_owned);
        if let Some(run) = &next_run {
            stdout = stdout.replace(&format!("subject: next run {run}\n"), "");
        }
        let second = stdout.split_once('\n').filter(|(_, rest)| rest.lines().count() == 1);
        let log = second.and_then(|(first, second)| {
            let log = second.strip_prefix("subject: log ")?.strip_suffix('\n')?;
            Some((first.len() + 1, PathBuf::from(log)))
        });
        if let Some((length, _)) = log {
            stdout.truncate(length);
        }
        Self { status: output.status, stdout, stderr, log: log.map(|(_, path)| path), next_run }
    }

    /// Fails unless this is the exit code, with the message on stdout and nothing on stderr but routine notices.
    #[track_caller]
    pub fn says(&self, code: i32, message: &str) {
        let (status, stdout, stderr) = self.parts();
        assert_eq!((status, stdout, &*unstamped(stderr)), (Some(code), &*format!("{message}\n"), ""));
    }

    /// Fails unless this is the exit code, with the message on stderr and nothing on stdout.
    #[track_caller]
    pub fn fails(&self, code: i32, message: &str) {
        assert_eq!(self.parts(), (Some(code), "", format!("{message}\n").as_str()));
    }

    /// Fails unless this is the exit code, with a line on stderr that has these parts and nothing
    /// on stdout.
    #[track_caller]
    pub fn fails_naming(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.status.code(), self.stdout.as_str()), (Some(code), ""), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {self:?}");
        }
    }

    /// Fails unless a daemon was started, and returns its process.
    #[track_caller]
    pub fn started(&self) -> Process {
        let process = self.pid();
        self.says(0, &format!("subject: started (pid {process})"));
        process
    }

    /// Fails unless this is the answer of `status` for a process that runs.
    #[track_caller]
    pub fn runs(&self, process: Process) {
        let is_more = |more: &str| {
            let is_runs = more.split_once(" run").is_some_and(|(count, _)| count.parse::<u64>().is_ok());
            more.starts_with("body ") || is_runs
        };
        let (code, text, errors) = self.parts();
        let up = text
            .strip_prefix(&format!("subject: running (pid {process}, up "))
            .and_then(|rest| rest.strip_suffix(")\n"))
            // A supervisor adds more about the body, a repeating daemon about its runs.
            .map(|rest| rest.split_once("; ").filter(|(_, more)| is_more(more)).map_or(rest, |(up, _)| up));
        let whole_seconds =
            up.is_some_and(|up| up.chars().all(|letter| letter.is_ascii_digit() || " smhd".contains(letter)));
        assert!((code, errors) == (Some(0), "") && whole_seconds, "{self:?}");
    }

    /// Returns the process that the message names.
    #[track_caller]
    pub fn pid(&self) -> Process {
        let digits = self.stdout.split_once("(pid ").map(|(_, rest)| rest.split([',', ')']).next());
        let pid = digits.flatten().and_then(|digits| digits.parse().ok());
        Process(pid.unwrap_or_else(|| panic!("no pid in {self:?}")))
    }

    fn parts(&self) -> (Option<i32>, &str, &str) {
        (self.status.code(), &self.stdout, &self.stderr)
    }

    pub fn signal(&self) -> Option<Signal> {
        self.status.signal().and_then(|number| Signal::try_from(number).ok())
    }
}

/// A daemon that runs in the foreground.
pub struct Foreground {
    child: Child,
    pub process: Process,
}

impl Foreground {
    #[track_caller]
    pub fn answer(self) -> Answer {
        Answer::from(self.child)
    }
}

/// One process that runs one action after the other.
pub struct Conversation {
    child: Child,
    pub process: Process,
    words: ChildStdin,
    answers: Receiver<String>,
}

impl Conversation {
    /// Starts it by a certain command.
    pub fn with(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the subject runs");
        let (words, answers) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        let process = Process(child.id().try_into().expect("a pid"));
        Self { child, process, words, answers: lines(answers) }
    }

    /// Has it run an action, and returns the line that it prints.
    #[track_caller]
    pub fn say(&mut self, action: &str) -> String {
        self.begin(action);
        self.hear()
    }

    pub fn begin(&mut self, action: &str) {
        writeln!(self.words, "{action}").expect("it listens");
    }

    #[track_caller]
    pub fn hear(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Ends it by the end of its input.
    #[track_caller]
    pub fn end(self) -> Answer {
        drop(self.words);
        Answer::from(self.child)
    }
}

/// Reads lines on a thread, so that a test can wait for the next one with a deadline.
pub fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.map(|line| sender.send(line)).take_while(Result::is_ok).count()
    });
    receiver
}

/// Another process that holds a lock. Dropping it ends the process.
pub struct Locker {
    child: Child,
    pub process: Process,
}

impl Drop for Locker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
