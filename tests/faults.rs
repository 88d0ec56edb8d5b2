//! Every system call on the way made to fail, one at a time: an action succeeds all the same, or it fails, says
//! why, and leaves nothing.
//!
//! Which calls there are is recorded first. Then each of them is made to fail, with each of the errors that its
//! manual page allows (with `DAEMONIC_TORTURE=long`) or with one of them (else).

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::{Child, Command};

use common::strace::{Call, Strace, Trace, is_halted, wait_until_halted};
use common::torture::{Dice, each, say};
use common::{Answer, Process, Subject, can_have, has_strace, is_long, is_root, wait_for, wait_until};
use nix::errno::Errno;
use nix::sys::signal::Signal;

/// What a call may fail with, and in which of its forms: the words are looked for in the call as strace shows it.
///
/// Left out is what can't fail when it is called as we call it (`getpid`, `umask`, a signal mask, `F_GETFD`), and
/// `close`, which frees the descriptor on Linux whatever it answers: strace can't imitate that.
const ERRORS: &[(&str, &str, &[&str])] = &[
    ("brk", "", &["ENOMEM"]),
    ("chdir", "", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("chroot", "", &["EPERM", "EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("clone", "SIGCHLD", &["EAGAIN", "ENOMEM"]),
    ("clone3", "SIGCHLD", &["EAGAIN", "ENOMEM"]),
    ("connect", "", &["ECONNREFUSED", "EAGAIN"]),
    ("dup2", "", &["EINTR", "EBUSY", "EMFILE"]),
    ("dup3", "", &["EINTR", "EBUSY", "EMFILE"]),
    ("fchmod", "", &["EIO", "EPERM", "EROFS"]),
    ("fcntl", "F_SETLK,", &["EAGAIN", "EACCES", "EINTR", "ENOLCK"]),
    ("fcntl", "F_GETLK,", &["EINTR", "ENOLCK"]),
    ("fcntl", "F_OFD_SETLK,", &["EAGAIN", "EINVAL", "ENOLCK"]),
    ("fcntl", "F_DUPFD", &["EMFILE"]),
    ("fcntl", "F_SETFL", &["ENOMEM", "EPERM"]),
    ("fcntl", "F_SETOWN", &["EPERM", "ESRCH"]),
    ("ftruncate", "", &["EINTR", "EIO", "EPERM"]),
    ("futex", "_WAIT", &["EINTR", "EAGAIN"]),
    ("getdents64", "", &["EIO", "ENOENT"]),
    ("getgroups", "", &["EINVAL"]),
    ("kill", "", &["EPERM"]),
    ("lseek", "", &["EIO"]),
    ("mmap", "", &["ENOMEM", "EAGAIN"]),
    ("mprotect", "", &["ENOMEM"]),
    ("newfstatat", "AT_EMPTY_PATH", &["EOVERFLOW", "ENOMEM"]),
    ("newfstatat", "", &["EACCES", "EIO", "ELOOP", "ENOMEM", "EOVERFLOW"]),
    ("fstat", "", &["EOVERFLOW", "ENOMEM"]),
    ("stat", "", &["EACCES", "ELOOP", "ENOMEM", "EOVERFLOW"]),
    ("openat", "O_CREAT", &["EACCES", "EDQUOT", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EROFS"]),
    ("openat", "", &["EACCES", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOMEM"]),
    ("pidfd_open", "", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM", "ENOSYS", "EPERM"]),
    ("pidfd_send_signal", "", &["ENOSYS", "EPERM"]),
    ("pipe2", "", &["EMFILE", "ENFILE"]),
    ("poll", "", &["EINTR", "ENOMEM"]),
    ("ppoll", "", &["EINTR", "ENOMEM"]),
    ("pread64", "", &["EINTR", "EIO"]),
    ("read", "", &["EINTR", "EIO"]),
    ("rt_sigaction", "", &["EINVAL"]),
    ("setgroups", "", &["ENOMEM", "EPERM"]),
    ("setresgid", "", &["EAGAIN", "EPERM"]),
    ("setresuid", "", &["EAGAIN", "EPERM"]),
    ("setsid", "", &["EPERM"]),
    ("socket", "", &["EACCES", "EMFILE", "ENFILE", "ENOMEM"]),
    ("unlink", "", &["EACCES", "EBUSY", "EIO", "EPERM", "EROFS"]),
    ("wait4", "", &["ECHILD", "EINTR"]),
    ("write", "", &["EDQUOT", "EINTR", "EIO", "ENOSPC", "EPIPE"]),
];

/// A memory that is full, at the one place where nothing can be done about it.
const MEMORY: [&str; 3] = ["brk", "mmap", "mprotect"];

/// A daemon, in one of the shapes that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Plain,
    Graceful,
    Waiting,
    Repeating,
    Confined,
}

/// What is there before the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    StaleFile,
    Daemon,
}

/// Whose calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Caller,
    FirstChild,
    /// The one that the action starts.
    Daemon,
    /// The one that is there before.
    OldDaemon,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    shape: Shape,
    action: &'static str,
    before: Before,
    role: Role,
}

#[derive(Clone)]
struct Fault {
    case: Case,
    call: Call,
    error: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case: Case { shape, action, before, role }, call, error } = self;
        write!(f, "{shape:?} {action} over {before:?}, {role:?}: {error} of {} {}", call.name, call.when)
    }
}

/// How a fault has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Succeeded,
    Failed,
    /// The process has aborted, out of memory.
    Aborted,
    /// The call didn't come this time.
    Missed,
}

impl Shape {
    fn subject(self, account: Option<&Account>) -> Subject {
        let subject = Subject::new().key("stop_timeout", "10000");
        match self {
            Self::Plain => subject.body("print up; park"),
            Self::Graceful => subject.graceful("print up; event; event"),
            Self::Waiting => subject.key("wait_ready", "20000").graceful("ready; print up; event; event"),
            Self::Repeating => subject.every(20, "first print up"),
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
struct Account(String);

impl Account {
    fn new() -> Option<Self> {
        let name = format!("dmf{}", std::process::id() % 100_000);
        let made = Command::new("useradd")
            .args(["--system", "--no-create-home", "--user-group", "--groups", "daemon,mail", &name])
            .status();
        can_have("useradd", made.is_ok_and(|status| status.success())).then_some(Self(name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).status();
    }
}

/// What an observer can see of a daemon's setup.
#[derive(Debug, PartialEq, Eq)]
struct Setup {
    identity: Vec<String>,
    links: Vec<String>,
    signals: Vec<String>,
    descriptors: usize,
}

impl Setup {
    fn of(process: Process, subject: &Subject) -> Self {
        let folder = subject.path("");
        let link = |name: &&str| {
            let link = process.link(name);
            link.strip_prefix(&folder).map_or(link.clone(), Into::into).display().to_string()
        };
        Self {
            identity: ["Uid", "Gid", "Groups", "Umask"].map(|field| process.status(field)).into(),
            links: ["root", "cwd", "fd/0", "fd/1", "fd/2"].iter().map(link).collect(),
            signals: ["SigBlk", "SigCgt"].map(|field| process.status(field)).into(),
            descriptors: process.descriptors().len(),
        }
    }
}

/// What has come of an action.
struct Done {
    subject: Subject,
    old: Option<Process>,
    /// None while it runs in the foreground.
    answer: Option<Answer>,
    foreground: Option<Child>,
    trace: Trace,
}

impl Case {
    /// Does the action under strace, with a fault or without.
    fn perform(self, account: Option<&Account>, fault: Option<&Fault>) -> Done {
        let subject = self.shape.subject(account);
        let injections: Vec<_> = fault.iter().map(|fault| fault.injection()).collect();
        let attach = |process| Strace::attach(process, &subject.path("trace"), &injections);
        let mut old = None;
        match self.before {
            Before::Nothing => {}
            Before::StaleFile => fs::write(subject.pidfile(), "4194304\n").unwrap(),
            Before::Daemon => {
                old = Some(subject.start());
                subject.log_with("up");
                fs::rename(subject.log(), subject.path("old.log")).unwrap();
            }
        }
        let mut command = subject.action(self.action);
        if self.action == "run" {
            let log = fs::File::options().create(true).append(true).open(subject.log()).unwrap();
            assert!(log.as_raw_fd() > 2);
            command.stdout(log);
        }
        let halting = match self.role {
            Role::Caller => Some("0"),
            Role::FirstChild => Some("1"),
            Role::Daemon => Some("2"),
            Role::OldDaemon => None,
        };
        if let Some(number) = halting {
            command.env("SUBJECT_HALT", number);
        }
        let old_strace = old.filter(|_| halting.is_none()).map(attach);
        let caller = command.spawn().expect("the subject runs");
        let strace = old_strace.unwrap_or_else(|| {
            let halted = wait_for("a halted process", || {
                let mut all = subject.processes().into_iter();
                all.find(|process| Some(*process) != old && is_halted(*process))
            });
            let strace = attach(halted);
            halted.signal(Signal::SIGCONT);
            strace
        });
        let (answer, foreground) = self.outcome(&subject, caller);
        let lives_on = !matches!(self.role, Role::Caller | Role::FirstChild) || foreground.is_some();
        let is_up = || answer.as_ref().is_none_or(|answer| answer.status.success());
        if self.role == Role::Daemon && is_up() {
            subject.log_with("up");
        }
        if self.role == Role::OldDaemon && self.action == "reload" {
            wait_until("the reload", || reload_came(&subject, &strace));
        }
        let trace = if lives_on { strace.detach() } else { strace.end() };
        Done { subject, old, answer, foreground, trace }
    }

    /// Waits for the end of the caller; in the foreground for its body.
    fn outcome(self, subject: &Subject, mut caller: Child) -> (Option<Answer>, Option<Child>) {
        if self.action == "run" {
            wait_until("the body, or the end", || {
                subject.log_text().contains("up\n") || caller.try_wait().expect("a child").is_some()
            });
            if caller.try_wait().expect("a child").is_none() {
                return (None, Some(caller));
            }
        }
        (Some(Answer::from(caller)), None)
    }

    /// Lists the faults that this way has.
    fn faults(self, trace: &Trace) -> Vec<Fault> {
        let is_body = |call: &Call| call.name == "write" && call.line.contains(r#", "up\n""#);
        let calls = trace.calls();
        let end = match self.role {
            // What comes after that is the body's, or belongs to another action.
            Role::Daemon => calls.iter().position(is_body).expect("a body"),
            Role::Caller if self.action == "run" => calls.iter().position(is_body).expect("a body"),
            _ => calls.len(),
        };
        let one = |call: &Call| {
            let row = ERRORS.iter().find(|row| row.0 == call.name && call.line.contains(row.1));
            let errors = row.map_or(&[][..], |row| row.2).iter();
            errors.map(|error| Fault { case: self, call: call.clone(), error }).collect::<Vec<_>>()
        };
        calls[..end].iter().filter(|call| !is_the_bodys(call)).flat_map(one).collect()
    }
}

fn is_the_bodys(call: &Call) -> bool {
    call.name == "write" && [", \"Stop\\n\"", ", \"Reload\\n\""].iter().any(|text| call.line.contains(text))
}

fn reload_came(subject: &Subject, strace: &Strace) -> bool {
    let _ = strace;
    subject.log().exists() || !fs::read_to_string(subject.path("old.log")).unwrap().ends_with("up\n")
}

impl Fault {
    fn injection(&self) -> String {
        format!("{}:error={}:when={}", self.call.name, self.error, self.call.when)
    }

    fn errno(&self) -> i32 {
        let all = (1..=133).map(Errno::from_raw);
        all.into_iter().find(|errno| format!("{errno:?}") == self.error).expect("an error") as i32
    }

    /// Makes it happen, and checks how it ends.
    fn inflict(&self, account: Option<&Account>, setups: &BTreeMap<String, Setup>) -> End {
        let Done { subject, old, answer, foreground, trace } = self.case.perform(account, Some(self));
        let end = if !trace.has_injection() {
            End::Missed
        } else if answer.as_ref().is_some_and(|answer| answer.signal().is_some()) {
            self.aborted(&subject, old)
        } else if answer.as_ref().is_none_or(|answer| answer.status.success()) {
            let process = foreground.as_ref().map(|child| Process(child.id().cast_signed()));
            self.succeeded(&subject, old, answer.as_ref(), process, setups);
            End::Succeeded
        } else {
            self.failed(&subject, old, answer.as_ref().expect("an answer"));
            End::Failed
        };
        if let Some(mut child) = foreground {
            let _ = child.kill();
            let _ = child.wait();
        }
        end
    }

    /// It has done what it says.
    fn succeeded(
        &self,
        subject: &Subject,
        old: Option<Process>,
        answer: Option<&Answer>,
        foreground: Option<Process>,
        setups: &BTreeMap<String, Setup>,
    ) {
        let silent = self.case.role == Role::Caller && is_message(&self.call);
        let answer = answer.filter(|_| !silent);
        match self.case.action {
            "start" | "restart" | "run" => {
                let daemon = foreground.unwrap_or_else(|| {
                    let daemon = Process(subject.pid_text().trim().parse().expect("a PID"));
                    let word = if old.is_some() { "restarted" } else { "started" };
                    if let Some(answer) = answer {
                        answer.says(0, &format!("subject: {word} (pid {daemon})"));
                    }
                    daemon
                });
                subject.act("status").runs(daemon);
                subject.log_with("up");
                assert_eq!(subject.processes(), [daemon]);
                assert_eq!(&Setup::of(daemon, subject), &setups[&self.case.setup()], "the daemon's setup");
                stop(subject, daemon);
            }
            "stop" => {
                match (answer, old) {
                    (Some(answer), Some(old)) => answer.says(0, &format!("subject: stopped (pid {old})")),
                    (Some(answer), None) => answer.says(0, "subject: not running"),
                    (None, _) => {}
                }
                assert_eq!(subject.processes(), []);
                let code = subject.act("status").status.code();
                assert!(code == Some(3) || code == Some(1) && self.call.name == "unlink", "status {code:?}");
            }
            "reload" => {
                let old = old.expect("a daemon");
                if let Some(answer) = answer {
                    answer.says(0, &format!("subject: reloaded (pid {old})"));
                }
                wait_until("a new log", || {
                    subject.log().exists() || fs::read_to_string(subject.path("old.log")).unwrap() != "up\n"
                });
                subject.act("status").runs(old);
                stop(subject, old);
            }
            _ => {
                let (Some(old), Some(answer)) = (old, answer) else { return };
                assert!(answer.stdout.starts_with(&format!("subject: running (pid {old}")), "{answer:?}");
                stop(subject, old);
            }
        }
        start_and_stop(subject);
    }

    /// It says why, and has left nothing, or all as it was.
    fn failed(&self, subject: &Subject, old: Option<Process>, answer: &Answer) {
        assert_eq!((answer.stdout.as_str(), answer.stderr.lines().count()), ("", 1), "{answer:?}");
        assert!(answer.stderr.starts_with("subject: "), "{answer:?}");
        let number = format!("(os error {})", self.errno());
        let names = answer.stderr.contains(&number) && answer.stderr.contains("cannot ");
        assert!(names, "no step and no {number} in {answer:?}");
        let codes: &[i32] = match self.case.action {
            _ if ["EACCES", "EPERM"].contains(&self.error) => &[4],
            "status" => &[4],
            _ => &[1],
        };
        assert!(answer.status.code().is_some_and(|code| codes.contains(&code)), "{answer:?}");
        let old_lives = old.filter(|old| old.is_alive());
        match (self.case.action, old_lives) {
            ("reload" | "status", None) if old.is_some() => panic!("the daemon is gone: {answer:?}"),
            (_, Some(old)) => {
                assert_eq!(subject.processes(), [old], "more than the old daemon");
                subject.act("status").runs(old);
                stop(subject, old);
            }
            ("status", None) => {}
            _ if self.error == "ENOLCK" => wait_until("the end", || subject.processes().is_empty()),
            _ => subject.left_nothing(),
        }
        start_and_stop(subject);
    }

    /// It has died on the spot. What it has left is in nobody's way.
    fn aborted(&self, subject: &Subject, old: Option<Process>) -> End {
        assert!(MEMORY.contains(&self.call.name.as_str()), "only a lack of memory aborts");
        let _ = old;
        wait_until("one process at the most", || subject.processes().len() <= 1);
        let status = subject.act("status");
        match *subject.processes() {
            [daemon] => status.runs(daemon),
            _ => assert!([Some(1), Some(3)].contains(&status.status.code()), "{status:?}"),
        }
        assert!(subject.act("stop").status.success());
        start_and_stop(subject);
        End::Aborted
    }
}

impl Case {
    fn setup(&self) -> String {
        format!("{:?} {}", self.shape, if self.action == "run" { "run" } else { "start" })
    }
}

fn is_message(call: &Call) -> bool {
    call.name == "write"
        && (call.line.starts_with("write(1, \"subject: ") || call.line.starts_with("write(2, "))
}

/// Ends a daemon in order.
#[track_caller]
fn stop(subject: &Subject, daemon: Process) {
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
    reap(daemon);
}

/// Proves that nothing is in the way, no lock either.
#[track_caller]
fn start_and_stop(subject: &Subject) {
    let daemon = subject.start();
    stop(subject, daemon);
}

/// Takes the daemon's exit status, where this process has become its parent.
fn reap(process: Process) {
    let pid = nix::unistd::Pid::from_raw(process.0);
    let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
}

/// Records the calls of every case, makes them fail, and says how that went.
fn torture(shape: Shape, floor: usize) {
    if !has_strace() || !is_root() {
        return;
    }
    let account = if shape == Shape::Confined {
        let Some(account) = Account::new() else { return };
        Some(account)
    } else {
        None
    };
    let account = account.as_ref();
    let dice = Dice::new(&format!("faults of a {shape:?} daemon"));
    let cases = cases(shape);
    let mut setups = BTreeMap::new();
    for action in ["start", "run"] {
        let case = Case { shape, action, before: Before::Nothing, role: Role::Caller };
        let done = case.perform(account, None);
        let daemon = Process(done.subject.pid_text().trim().parse().expect("a PID"));
        done.subject.log_with("up");
        setups.insert(case.setup(), Setup::of(daemon, &done.subject));
        if let Some(mut child) = done.foreground {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let workers = if is_long() { 4 } else { 2 };
    let recorded = each(&cases, workers, |case| case.faults(&case.perform(account, None).trace));
    let mut faults: Vec<Fault> = Vec::new();
    for (at, (case, some)) in cases.iter().zip(recorded).enumerate() {
        let some = some.unwrap_or_else(|error| panic!("{case:?} cannot be recorded: {error}"));
        faults.extend(if is_long() { some } else { one_of_each(some, &mut dice.of_round(at)) });
    }
    let ends = each(&faults, workers, |fault| fault.inflict(account, &setups));
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (fault, end) in faults.iter().zip(ends) {
        match end {
            Ok(end) => *counts.entry(end).or_insert(0) += 1,
            Err(error) => wrong.push(format!("{fault}\n  {}\n  {error}", fault.call.line)),
        }
    }
    let injected = faults.len() - counts.get(&End::Missed).copied().unwrap_or(0);
    say(format_args!(
        "faults of a {shape:?} daemon: {injected} injected, {} ended well: {counts:?}",
        injected - wrong.len()
    ));
    assert!(wrong.is_empty(), "{} ended badly:\n{}", wrong.len(), wrong.join("\n"));
    assert!(injected >= floor, "only {injected} faults");
}

/// Keeps one error of each call.
fn one_of_each(faults: Vec<Fault>, dice: &mut Dice) -> Vec<Fault> {
    let calls =
        faults.chunk_by(|one, other| (&one.call.name, one.call.when) == (&other.call.name, other.call.when));
    calls.map(|same| dice.pick(same)).collect()
}

fn cases(shape: Shape) -> Vec<Case> {
    let case = |(action, before, role)| Case { shape, action, before, role };
    [
        ("start", Before::Nothing, Role::Caller),
        ("start", Before::Nothing, Role::FirstChild),
        ("start", Before::Nothing, Role::Daemon),
        ("start", Before::StaleFile, Role::Daemon),
        ("restart", Before::Daemon, Role::Caller),
        ("restart", Before::Daemon, Role::FirstChild),
        ("restart", Before::Daemon, Role::Daemon),
        ("restart", Before::Daemon, Role::OldDaemon),
        ("stop", Before::Daemon, Role::Caller),
        ("stop", Before::Daemon, Role::OldDaemon),
        ("stop", Before::StaleFile, Role::Caller),
        ("reload", Before::Daemon, Role::Caller),
        ("reload", Before::Daemon, Role::OldDaemon),
        ("status", Before::Daemon, Role::Caller),
        ("status", Before::StaleFile, Role::Caller),
        ("run", Before::Nothing, Role::Caller),
    ]
    .map(case)
    .into()
}

#[test]
fn a_plain_daemon_survives_every_fault() {
    torture(Shape::Plain, 150);
}

#[test]
fn a_graceful_daemon_survives_every_fault() {
    torture(Shape::Graceful, 150);
}

#[test]
fn a_daemon_that_says_when_it_is_ready_survives_every_fault() {
    torture(Shape::Waiting, 150);
}

#[test]
fn a_repeating_daemon_survives_every_fault() {
    torture(Shape::Repeating, 150);
}

#[test]
fn a_confined_daemon_survives_every_fault() {
    torture(Shape::Confined, 150);
}
