//! Every combination of a daemon, what exists before an action, the action, and the process under
//! strace.

use std::fs;
use std::process::{Child, Command};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::strace::{Strace, Trace, is_halted};
use crate::{Answer, Process, Subject, available_or_skip, wait_for, wait_until};

/// The text of a stale pidfile.
pub const STALE: &str = "4194304\n";

/// The kind of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    Graceful,
    Waiting,
    Repeating,
    /// Repeats its body, and is called for a run.
    Called,
    Confined,
    /// Its body lives in a child of the daemon.
    Supervised,
}

/// What exists before the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Nothing,
    StaleFile,
    Daemon,
}

impl Before {
    /// Makes it, and returns the daemon if it is one. Renames the log of that daemon.
    pub fn prepare(self, subject: &Subject) -> Option<Process> {
        match self {
            Self::Nothing => None,
            Self::StaleFile => {
                fs::write(subject.pidfile(), STALE).unwrap();
                None
            }
            Self::Daemon => {
                let daemon = subject.start();
                subject.log_with("up");
                fs::rename(subject.log(), subject.path("old.log")).unwrap();
                Some(daemon)
            }
        }
    }
}

/// The process under strace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Caller,
    FirstChild,
    /// The daemon that the action starts.
    Daemon,
    /// The process of that daemon's body.
    Body,
    /// The daemon that exists before.
    OldDaemon,
    /// The process of its body.
    OldBody,
}

/// One process of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub shape: Shape,
    pub action: &'static str,
    pub before: Before,
    pub role: Role,
}

impl Shape {
    pub fn subject(self, account: Option<&Account>) -> Subject {
        let subject = Subject::new().key("stop_timeout", "10000");
        match self {
            Self::Plain => subject.body("print up; park"),
            Self::Graceful => subject.graceful("print up; event; event"),
            Self::Waiting => subject.key("wait_ready", "20000").graceful("ready; print up; event; event"),
            Self::Repeating => {
                let state = subject.path("state");
                let subject = subject.every(150, "first print up").key("catch_up", "").key("state", state);
                // Its timer is one that can fail.
                subject.key("clock", "boot").key("delay", "5")
            }
            // Each run leaves a line. The pause between two runs is long compared with a call.
            Self::Called => subject.every(150, "sleep 10; print up"),
            Self::Supervised => {
                let claim = subject.path("claim");
                let body = format!("print up; claim {}; event; event", claim.display());
                subject.key("children", "end").graceful(body)
            }
            Self::Confined => {
                let root = subject.path("root");
                fs::create_dir(&root).unwrap();
                let user = &account.expect("an account").0;
                subject.key("chroot", root).key("user", user).body("print up; park")
            }
        }
    }
}

/// A user with groups, for one test.
pub struct Account(String);

impl Account {
    pub fn new_or_skip() -> Option<Self> {
        let name = format!("dmt{}", std::process::id());
        let made = Command::new("useradd")
            .args(["--system", "--no-create-home", "--user-group", "--groups", "daemon,mail", &name])
            .status();
        available_or_skip("useradd", made.is_ok_and(|status| status.success())).then_some(Self(name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).status();
    }
}

/// The result of an action.
pub struct Done {
    pub subject: Subject,
    pub old: Option<Process>,
    /// The number of runs that had ended before.
    pub runs: usize,
    /// `None` while it runs in the foreground.
    pub answer: Option<Answer>,
    pub foreground: Option<Child>,
    pub trace: Trace,
}

/// An action that has begun, with strace attached to one of its processes.
pub struct Underway {
    pub way: Way,
    pub subject: Subject,
    pub old: Option<Process>,
    /// The number of runs that have ended before.
    pub runs: usize,
    pub caller: Child,
    /// The process under strace.
    pub target: Process,
    pub strace: Strace,
}

impl Way {
    /// Lists every way for a kind of daemon.
    pub fn all(shape: Shape) -> Vec<Self> {
        let way = |(action, before, role)| Self { shape, action, before, role };
        let of_calls = [
            ("once", Before::Daemon, Role::Caller),
            ("once", Before::Daemon, Role::OldDaemon),
            ("once", Before::Nothing, Role::Caller),
        ];
        if shape == Shape::Called {
            return of_calls.map(way).into();
        }
        let of_bodies = [
            ("start", Before::Nothing, Role::Body),
            ("restart", Before::Daemon, Role::Body),
            ("restart", Before::Daemon, Role::OldBody),
            ("stop", Before::Daemon, Role::OldBody),
            ("reload", Before::Daemon, Role::OldBody),
            ("run", Before::Nothing, Role::Body),
        ];
        let of_bodies = if shape == Shape::Supervised { &of_bodies[..] } else { &[] };
        let others = [
            ("start", Before::Nothing, Role::Caller),
            ("start", Before::Nothing, Role::FirstChild),
            ("start", Before::Nothing, Role::Daemon),
            ("start", Before::StaleFile, Role::Daemon),
            ("restart", Before::Daemon, Role::Caller),
            ("restart", Before::Daemon, Role::FirstChild),
            ("restart", Before::Daemon, Role::Daemon),
            ("restart", Before::Daemon, Role::OldDaemon),
            ("ensure", Before::Nothing, Role::Caller),
            ("ensure", Before::Nothing, Role::Daemon),
            ("ensure", Before::Daemon, Role::Caller),
            ("stop", Before::Daemon, Role::Caller),
            ("stop", Before::Daemon, Role::OldDaemon),
            ("stop", Before::StaleFile, Role::Caller),
            ("reload", Before::Daemon, Role::Caller),
            ("reload", Before::Daemon, Role::OldDaemon),
            ("status", Before::Daemon, Role::Caller),
            ("status", Before::StaleFile, Role::Caller),
            ("run", Before::Nothing, Role::Caller),
        ];
        others.iter().chain(of_bodies).copied().map(way).collect()
    }

    /// Returns whether an answer is a success; a status of 1 reports a stale pidfile.
    pub fn is_success(self, answer: &Answer) -> bool {
        answer.status.success() || self.action == "status" && answer.status.code() == Some(1)
    }

    /// Returns the name of the setup that the daemon has afterwards.
    pub fn setup(self) -> String {
        format!("{:?} {}", self.shape, if self.action == "run" { "run" } else { "start" })
    }

    /// Begins the action, with at most one injection.
    pub fn begin(self, account: Option<&Account>, injection: Option<&str>) -> Underway {
        let subject = self.shape.subject(account);
        let attach = |process| Strace::attach(process, &subject.path("trace"), injection);
        let old = self.before.prepare(&subject);
        // A process that cannot list its descriptors tries all numbers up to this limit.
        let mut command = subject.after("ulimit -n 256", self.action);
        if self.action == "run" {
            command.stdout(fs::File::options().create(true).append(true).open(subject.log()).unwrap());
        }
        let generation = match self.role {
            Role::Caller => Some("0"),
            Role::FirstChild => Some("1"),
            Role::Daemon => Some("2"),
            Role::Body => Some(if self.action == "run" { "1" } else { "3" }),
            Role::OldDaemon | Role::OldBody => None,
        };
        let before = subject.processes();
        let runs = runs_of(&subject);
        let (caller, target, strace) = if let (None, Some(old)) = (generation, old) {
            let is_body = |process: &&Process| process.parent() == Some(old);
            let body = before.iter().find(is_body).filter(|_| self.role == Role::OldBody);
            let target = body.copied().unwrap_or(old);
            let strace = attach(target);
            (command.spawn().expect("the subject runs"), target, strace)
        } else {
            command.env("SUBJECT_HALT", generation.unwrap_or("0"));
            let caller = command.spawn().expect("the subject runs");
            let target = wait_for("a halted process", || {
                let mut all = subject.processes().into_iter();
                all.find(|process| !before.contains(process) && is_halted(*process))
            });
            let strace = attach(target);
            target.signal(Signal::SIGCONT);
            (caller, target, strace)
        };
        Underway { way: self, subject, old, runs, caller, target, strace }
    }

    /// Runs the action, and returns its result.
    pub fn perform(self, account: Option<&Account>, injection: Option<&str>) -> Done {
        let Underway { subject, old, runs, caller, strace, .. } = self.begin(account, injection);
        let (answer, foreground) = self.outcome(&subject, caller);
        if matches!(self.role, Role::Daemon | Role::Body)
            && answer.as_ref().is_some_and(|answer| answer.status.success())
        {
            subject.log_with("up");
        }
        if matches!(self.role, Role::OldDaemon | Role::OldBody) && self.action == "reload" {
            wait_until("the reload", || has_heard_of_reload(&subject));
        }
        let ends = matches!(self.role, Role::Caller | Role::FirstChild) && foreground.is_none();
        let trace = if ends { strace.end() } else { strace.detach() };
        Done { subject, old, runs, answer, foreground, trace }
    }

    /// Waits for the end of the caller, or in the foreground for its body.
    pub fn outcome(self, subject: &Subject, mut caller: Child) -> (Option<Answer>, Option<Child>) {
        if self.action == "run" {
            let mut has_ended = || caller.try_wait().expect("a child").is_some();
            wait_until("the body, or the end", || subject.log_text().contains("up\n") || has_ended());
            if !has_ended() {
                return (None, Some(caller));
            }
        }
        (Some(Answer::from(caller)), None)
    }
}

/// Returns whether these are the processes of one daemon: itself, and with a supervised body at most one child.
pub fn are_one(shape: Shape, daemon: Process, processes: &[Process]) -> bool {
    let others: Vec<_> = processes.iter().filter(|process| **process != daemon).collect();
    let most = usize::from(shape == Shape::Supervised);
    processes.contains(&daemon)
        && others.len() <= most
        && others.iter().all(|body| body.parent().is_none_or(|parent| parent == daemon))
}

/// Returns the number of runs that a daemon has done, each of which leaves a line in its log.
pub fn runs_of(subject: &Subject) -> usize {
    let logs =
        [subject.path("old.log"), subject.log()].map(|log| fs::read_to_string(log).unwrap_or_default());
    logs.iter().flat_map(|log| log.lines()).filter(|line| *line == "up").count()
}

/// Fails unless a call that has succeeded has got a run that has ended: one of the daemon, or one of the caller itself.
#[track_caller]
pub fn has_done_a_run(subject: &Subject, answer: &Answer, before: usize) {
    let is_foreground = answer.stdout.lines().any(|line| line == "up");
    assert!(is_foreground || runs_of(subject) > before, "no run has ended: {answer:?}");
}

/// Fails unless a daemon does the runs that are due, and those that it is called for.
#[track_caller]
pub fn goes_on(subject: &Subject, daemon: Process) {
    let before = runs_of(subject);
    wait_until("a run that is due", || runs_of(subject) > before);
    let answer = subject.act("once");
    answer.says(0, &format!("subject: has done a run (pid {daemon})"));
    subject.act("status").runs(daemon);
}

/// Returns whether a daemon has reopened its log, or has reported that it cannot.
pub fn has_heard_of_reload(subject: &Subject) -> bool {
    subject.log().exists() || !fs::read_to_string(subject.path("old.log")).unwrap().ends_with("up\n")
}

/// Takes the exit status of every daemon that has ended, since thousands of zombies would fill the
/// process table. Unlike the processes that a test starts, a daemon has a session of its own.
pub fn reap_daemons() {
    let here = Process(Pid::this().as_raw());
    let is_daemon = |child: &Process| child.session() != here.session() && !child.is_alive();
    let children = here.children();
    let children = children.split(' ').filter_map(|pid| pid.parse().ok()).map(Process);
    for daemon in children.filter(is_daemon) {
        let _ = daemon.reap();
    }
}
