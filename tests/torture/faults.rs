//! Every system call made to fail, one at a time: an action succeeds nevertheless, or it fails,
//! reports why, and leaves nothing.
//!
//! The calls are recorded first. Then each of them fails with each error that its manual page
//! allows, or without `DAEMONIC_TORTURE=long` with one of these errors.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use common::strace::{Call, Trace, are_of_look};
use common::torture::{Dice, each, say};
use common::way::{
    Account, Before, Done, Role, STALE, Shape, Way, are_one, goes_on, has_done_a_run, has_heard_of_reload,
    reap_daemons,
};
use common::{Answer, Process, Subject, is_long, root_or_skip, strace_or_skip, wait_for, wait_until};
use nix::errno::Errno;

/// The errors that a call may have: its name, a text that its line in strace has, the errors.
///
/// A form that is not listed, such as `F_GETFD`, cannot fail.
const ERRORS: &[(&str, &str, &[&str])] = &[
    ("accept4", "", &["EAGAIN", "ECONNABORTED", "EINTR", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    ("bind", "", &["EACCES", "EADDRINUSE", "ENOMEM"]),
    ("brk", "", &["ENOMEM"]),
    ("chdir", "", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("chroot", "", &["EPERM", "EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("clone", "SIGCHLD", &["EAGAIN", "ENOMEM"]),
    ("clone3", "SIGCHLD", &["EAGAIN", "ENOMEM"]),
    ("clock_nanosleep", "", &["EINTR"]),
    ("connect", "", &["ECONNREFUSED", "EAGAIN"]),
    ("dup2", "", &["EINTR", "EBUSY", "EMFILE"]),
    ("dup3", "", &["EINTR", "EBUSY", "EMFILE"]),
    ("faccessat2", "", &["EACCES", "EIO", "ELOOP", "EROFS"]),
    ("fdatasync", "", &["EDQUOT", "EIO", "ENOSPC", "EROFS"]),
    ("fchmod", "", &["EIO", "EPERM", "EROFS"]),
    ("fcntl", "F_SETLK,", &["EAGAIN", "EACCES", "EINTR", "ENOLCK"]),
    ("fcntl", "F_GETLK,", &["EINTR", "ENOLCK"]),
    ("fcntl", "F_OFD_SETLK,", &["EAGAIN", "EINVAL", "ENOLCK"]),
    ("fcntl", "F_DUPFD", &["EMFILE"]),
    ("fcntl", "FASYNC", &["ENOMEM"]),
    ("fcntl", "F_SETOWN", &["EPERM"]),
    ("ftruncate", "", &["EINTR", "EIO", "EPERM"]),
    ("futex", "_WAIT", &["EINTR", "EAGAIN"]),
    ("getdents64", "", &["EIO"]),
    ("getgroups", "", &["EINVAL"]),
    ("getsockname", "", &["ENOBUFS"]),
    ("getsockopt", "", &["ENOBUFS", "ENOMEM"]),
    ("kill", "", &["EPERM"]),
    ("listen", "", &["EACCES", "EADDRINUSE"]),
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
    ("prctl", "PR_SET_CHILD_SUBREAPER", &["EINVAL", "EPERM"]),
    ("prctl", "PR_GET_CHILD_SUBREAPER", &["EINVAL", "EPERM"]),
    ("prctl", "PR_SET_PDEATHSIG", &["EINVAL", "EPERM"]),
    ("pread64", "", &["EINTR", "EIO"]),
    ("read", r#", "!", 1)"#, &["EINTR"]),
    ("read", "", &["EINTR", "EIO"]),
    ("readlink", "", &["EACCES", "ENOENT", "ENOMEM"]),
    ("readlinkat", "", &["EACCES", "EIO"]),
    ("recvfrom", "", &["EINTR", "ENOMEM"]),
    ("renameat", "", &["EACCES", "EDQUOT", "EIO", "ENOMEM", "ENOSPC", "EROFS"]),
    ("rt_sigaction", ", NULL, {", &[]),
    ("rt_sigaction", "", &["EINVAL"]),
    ("sendto", "", &["EINTR", "ENOBUFS", "ENOMEM"]),
    ("setgroups", "", &["ENOMEM", "EPERM"]),
    ("setresgid", "", &["EAGAIN", "EPERM"]),
    ("setresuid", "", &["EAGAIN", "EPERM"]),
    ("setsid", "", &["EPERM"]),
    ("setsockopt", "", &["ENOMEM"]),
    ("shutdown", "", &["EINVAL"]),
    ("signalfd4", "", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"]),
    ("socket", "", &["EACCES", "EMFILE", "ENFILE", "ENOMEM"]),
    ("socketpair", "", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("statx", "", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("timerfd_create", "", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"]),
    ("timerfd_settime", "", &["ECANCELED", "EBADF", "EINVAL"]),
    ("unlink", "", &["EACCES", "EBUSY", "EIO", "EPERM", "EROFS"]),
    ("unlinkat", "", &["EACCES", "EIO", "EROFS"]),
    ("wait4", "", &["ECHILD", "EINTR"]),
    // Whether it comes depends on the moment, and the next write is then the body's.
    ("write", "making up for a run", &[]),
    ("write", r#", "\"#, &["EINTR"]),
    ("write", "", &["EDQUOT", "EINTR", "EIO", "ENOSPC", "EPIPE"]),
];

/// The calls that cannot fail as we make them, and `close`: Linux frees the descriptor even if it
/// fails, which strace cannot imitate.
const HARMLESS: &[&str] = &[
    "capget",
    "clock_gettime",
    "close",
    "exit_group",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrandom",
    "getresgid",
    "getresuid",
    "gettid",
    "getuid",
    "madvise",
    "munmap",
    "prctl",
    "restart_syscall",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "tgkill",
    "umask",
    "waitid",
];

#[derive(Clone)]
struct Fault {
    way: Way,
    call: Call,
    error: &'static str,
    /// Whether the C library makes the call while it looks up users. It does not report such a
    /// failure.
    is_lookup: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way: Way { shape, action, before, role }, call, error, .. } = self;
        write!(f, "{shape:?} {action} over {before:?}, {role:?}: {error} of {} {}", call.name, call.when)
    }
}

/// The end of an action with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Succeeded,
    Failed,
    /// The call was not made this time.
    Missed,
}

/// A daemon's setup, as an observer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setup {
    identity: Vec<String>,
    groups: Vec<String>,
    links: Vec<String>,
    signals: Vec<String>,
    descriptors: usize,
}

impl Setup {
    fn of(process: Process, subject: &Subject) -> Self {
        let folder = subject.path("");
        let link = |name: &&str| {
            let link = process.link(name);
            let link = link.strip_prefix(&folder).unwrap_or(&link).display().to_string();
            link.split_once(":[").map_or(link.clone(), |(kind, _)| kind.to_owned())
        };
        Self {
            identity: ["Uid", "Gid", "Umask"].map(|field| process.status(field)).into(),
            groups: process.status("Groups").split(' ').map(Into::into).collect(),
            links: ["root", "cwd", "fd/0", "fd/1", "fd/2"].iter().map(link).collect(),
            signals: ["SigBlk", "SigCgt"].map(|field| process.status(field)).into(),
            descriptors: process.descriptors().len(),
        }
    }
}

impl Setup {
    /// Looks at a daemon, unless its body is still to ask for reloads for the first time, which opens a socket.
    fn settled(shape: Shape, daemon: Process, subject: &Subject) -> Option<Self> {
        let is_socket = |(_, path): &(u32, std::path::PathBuf)| path.to_string_lossy().starts_with("socket:");
        let asks = matches!(shape, Shape::Graceful | Shape::Waiting);
        (!asks || daemon.descriptors().iter().any(is_socket)).then(|| Self::of(daemon, subject))
    }

    fn has_groups_of(&self, other: &Self) -> bool {
        other.groups.iter().all(|group| self.groups.contains(group))
    }
}

/// Lists the faults of a way.
fn faults(way: Way, trace: &Trace) -> Vec<Fault> {
    let is_body = |call: &Call| call.name == "write" && call.line.contains(r#", "up\n""#);
    let calls = trace.calls();
    let end = match way.role {
        // The calls after that are the body's, or belong to another action.
        // The supervisor does not write this.
        Role::Daemon | Role::Caller if way.shape == Shape::Supervised => calls.len(),
        Role::Daemon | Role::Body => calls.iter().position(is_body).expect("a body"),
        Role::Caller if way.action == "run" || way.action == "once" && way.before == Before::Nothing => {
            calls.iter().position(is_body).expect("a body")
        }
        _ => calls.len(),
    };
    let lookups = match (way.shape, way.role, way.action) {
        (Shape::Confined, Role::Caller, "start" | "restart" | "run") => {
            0..calls.iter().position(|call| call.line.contains("subject.pid")).expect("the pidfile")
        }
        // It looks users up only once it knows that it must start a daemon.
        (Shape::Confined, Role::Caller, "ensure") => {
            let begin = calls.iter().position(|call| call.line.contains("\"/etc/")).unwrap_or(calls.len());
            let is_next =
                |call: &Call| ["subject.pid", "/proc/self/"].iter().any(|path| call.line.contains(path));
            begin..begin + calls[begin..].iter().position(is_next).unwrap_or(0)
        }
        _ => 0..0,
    };
    let one = |(at, call): (usize, &Call)| {
        let row = ERRORS.iter().find(|row| row.0 == call.name && call.line.contains(row.1));
        let is_known = ERRORS.iter().any(|row| row.0 == call.name) || HARMLESS.contains(&call.name.as_str());
        assert!(
            is_known,
            "say in ERRORS what this may fail with, or in HARMLESS that it can't: {}",
            call.line
        );
        let errors = row.map_or(&[][..], |row| row.2).iter();
        let is_lookup = lookups.contains(&at);
        let errors = errors.filter(|error| !is_empty_queue(way, call, error));
        errors.map(|error| Fault { way, call: call.clone(), error, is_lookup }).collect::<Vec<_>>()
    };
    let is_of_look = are_of_look(calls);
    let is_ours = |(at, call): &(usize, &Call)| {
        !is_of_look[*at] && !is_the_bodys(call) && !is_to_own_child(way, call) && !is_of_a_due_run(way, call)
    };
    calls[..end].iter().enumerate().filter(is_ours).flat_map(one).collect()
}

/// Returns whether a supervisor signals its own child, which it may.
fn is_to_own_child(way: Way, call: &Call) -> bool {
    way.shape == Shape::Supervised && way.role == Role::OldDaemon && call.name == "kill"
}

/// Returns whether a daemon that is called would see nobody wait, which is no failure.
fn is_empty_queue(way: Way, call: &Call, error: &str) -> bool {
    way.action == "once" && way.role == Role::OldDaemon && call.name == "accept4" && error == "EAGAIN"
}

/// Returns whether a daemon that is called makes this call in its body, which runs at other moments each time.
fn is_of_a_due_run(way: Way, call: &Call) -> bool {
    way.shape == Shape::Called && way.role == Role::OldDaemon && call.name == "write"
}

fn is_the_bodys(call: &Call) -> bool {
    call.name == "write" && [", \"Stop\\n\"", ", \"Reload\\n\""].iter().any(|text| call.line.contains(text))
}

impl Fault {
    fn injection(&self) -> String {
        format!("{}:error={}:when={}", self.call.name, self.error, self.call.when)
    }

    /// Returns whether the daemon's answer to a reload fails. The client sees only that none comes.
    fn is_of_answer(&self) -> bool {
        (self.way.action, self.way.role) == ("reload", Role::OldDaemon)
            && ["accept4", "sendto"].contains(&self.call.name.as_str())
    }

    fn errno(&self) -> i32 {
        let all = (1..=133).map(Errno::from_raw);
        all.into_iter().find(|errno| format!("{errno:?}") == self.error).expect("an error") as i32
    }

    /// Makes the call fail, and checks how the action ends.
    fn inflict(&self, account: Option<&Account>, setups: &BTreeMap<String, Setup>) -> End {
        let Done { subject, old, runs, answer, foreground, trace } =
            self.way.perform(account, Some(&self.injection()));
        if let Some(answer) =
            answer.as_ref().filter(|answer| self.way.action == "once" && answer.status.success())
        {
            has_done_a_run(&subject, answer, runs);
        }
        if let Some(old) = old.filter(|_| self.way.action == "once") {
            goes_on(&subject, old);
        }
        let end = if !trace.has_injection() {
            End::Missed
        } else if answer.as_ref().is_none_or(|answer| self.way.is_success(answer)) {
            let process = foreground.as_ref().map(|child| Process(child.id().try_into().expect("a pid")));
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

    /// Fails unless the action has done what it reports.
    fn succeeded(
        &self,
        subject: &Subject,
        old: Option<Process>,
        answer: Option<&Answer>,
        foreground: Option<Process>,
        setups: &BTreeMap<String, Setup>,
    ) {
        let silent = self.way.role == Role::Caller && is_message(&self.call);
        let answer = answer.filter(|_| !silent);
        match self.way.action {
            "ensure" if old.is_some() => {
                let old = old.expect("a daemon");
                if let Some(answer) = answer {
                    answer.says(0, &format!("subject: already running (pid {old})"));
                }
                subject.act("status").runs(old);
                stop(subject, old);
            }
            "start" | "restart" | "ensure" | "run" => {
                let daemon = foreground.unwrap_or_else(|| {
                    let daemon = Process(subject.pid_text().trim().parse().expect("a PID"));
                    let word = if old.is_some() { "restarted" } else { "started" };
                    if let Some(answer) = answer {
                        answer.says(0, &format!("subject: {word} (pid {daemon})"));
                    }
                    daemon
                });
                if self.way.shape == Shape::Supervised {
                    let is_ready = || !subject.act("status").stdout.contains("starting");
                    wait_until(format_args!("a ready body after {self}: {}", self.call.line), is_ready);
                }
                subject.act("status").runs(daemon);
                subject.log_with("up");
                let processes = subject.processes();
                assert!(are_one(self.way.shape, daemon, &processes), "{processes:?}");
                let mut wanted = setups[&self.way.setup()].clone();
                // A repeating daemon may be in the handler that has answered `status`, or may write its state. Without
                // its timer it works too, but it must not have more open than without a fault.
                let is_quiet = |setup: &Setup| {
                    self.way.shape != Shape::Repeating
                        || setup.signals[0] == wanted.signals[0] && setup.descriptors <= wanted.descriptors
                };
                let settled = || Setup::settled(self.way.shape, daemon, subject).filter(is_quiet);
                let setup = wait_for("a quiet moment", settled);
                if self.is_lookup && wanted.has_groups_of(&setup) {
                    wanted.groups.clone_from(&setup.groups);
                }
                if matches!(self.way.shape, Shape::Supervised | Shape::Repeating) {
                    // Clients come and go, and without its socket the daemon works too.
                    wanted.descriptors = setup.descriptors;
                }
                assert_eq!(setup, wanted, "the daemon's setup");
                stop(subject, daemon);
            }
            "once" => {
                let text = |old| format!("subject: has done a run (pid {old})");
                if let Some(answer) = answer {
                    answer.says(0, &old.map_or("up".into(), text));
                }
                match old {
                    Some(old) => stop(subject, old),
                    None => self.left_nothing_new(subject),
                }
            }
            "stop" => {
                match (answer, old) {
                    (Some(answer), Some(old)) => answer.says(0, &format!("subject: stopped (pid {old})")),
                    (Some(answer), None) => answer.says(0, "subject: not running"),
                    (None, _) => {}
                }
                assert_eq!(subject.processes(), []);
                self.left_nothing_new(subject);
            }
            "reload" => {
                let old = old.expect("a daemon");
                if let Some(answer) = answer {
                    answer.says(0, &format!("subject: reloaded (pid {old})"));
                }
                wait_until("a new log", || has_heard_of_reload(subject));
                subject.act("status").runs(old);
                stop(subject, old);
            }
            _ => {
                let message = match old {
                    Some(old) => format!("subject: running (pid {old}"),
                    None => format!("subject: not running (stale pidfile {})", subject.pidfile().display()),
                };
                assert!(answer.is_none_or(|answer| answer.stdout.starts_with(&message)), "{answer:?}");
                if let Some(old) = old {
                    stop(subject, old);
                }
            }
        }
        start_and_stop(subject);
    }

    /// Fails unless the action reports why, and has left nothing, or everything as it was.
    fn failed(&self, subject: &Subject, old: Option<Process>, answer: &Answer) {
        assert_eq!((answer.stdout.as_str(), answer.stderr.lines().count()), ("", 1), "{answer:?}");
        assert!(answer.stderr.starts_with("subject: "), "{answer:?}");
        let number = format!("(os error {})", self.errno());
        let names = answer.stderr.contains(&number) && answer.stderr.contains("cannot ")
            || self.is_lookup && answer.stderr.contains("there is no user")
            || self.way.action == "once" && old.is_some() && is_about_unheard_call(&answer.stderr)
            || self.is_of_answer() && is_about_missing_answer(&answer.stderr);
        assert!(names, "no step and no {number} in {answer:?}");
        let codes: &[i32] = match self.way.action {
            _ if self.is_lookup => &[1],
            "once" if is_about_unheard_call(&answer.stderr) => &[1],
            _ if ["EACCES", "EPERM"].contains(&self.error) => &[4],
            "status" => &[4],
            _ => &[1],
        };
        assert!(answer.status.code().is_some_and(|code| codes.contains(&code)), "{answer:?}");
        // The old daemon has received the signal, and ends at some later moment.
        let is_ending = self.call.name == "poll" && ["stop", "restart"].contains(&self.way.action);
        if let Some(old) = old.filter(|_| is_ending) {
            old.wait_until_gone();
        }
        let old_lives = old.filter(|old| old.is_alive());
        match (self.way.action, old_lives) {
            ("reload" | "status", None) if old.is_some() => panic!("the daemon is gone: {answer:?}"),
            (_, Some(old)) => {
                let processes = subject.processes();
                assert!(are_one(self.way.shape, old, &processes), "more than the old daemon: {processes:?}");
                subject.act("status").runs(old);
                stop(subject, old);
            }
            ("status", None) => {}
            _ => self.left_nothing_new(subject),
        }
        start_and_stop(subject);
    }

    /// Fails if there is a process, or a pidfile other than the stale one from before. A process in
    /// a chroot can only empty its pidfile. It stays if the caller was that process, or has failed.
    #[track_caller]
    fn left_nothing_new(&self, subject: &Subject) {
        assert_eq!(subject.processes(), [], "processes are left");
        let text = fs::read_to_string(subject.pidfile()).ok();
        let stale = (self.way.before == Before::StaleFile).then_some(STALE);
        let empty = (self.way.shape == Shape::Confined && self.way.role == Role::Caller).then_some("");
        assert!(
            text.is_none() || text.as_deref() == stale || text.as_deref() == empty,
            "a pidfile is left: {text:?}"
        );
    }
}

fn is_about_missing_answer(message: &str) -> bool {
    ["has not reloaded within", "ended before it had reloaded"].iter().any(|text| message.contains(text))
}

/// Returns whether a caller reports that it could not speak with the daemon, or that it does not know of its run.
fn is_about_unheard_call(message: &str) -> bool {
    ["takes no requests", "before the run had ended"].iter().any(|text| message.contains(text))
}

fn is_message(call: &Call) -> bool {
    call.name == "write"
        && (call.line.starts_with("write(1, \"subject: ") || call.line.starts_with("write(2, "))
}

/// Stops a daemon.
#[track_caller]
fn stop(subject: &Subject, daemon: Process) {
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
    reap_daemons();
}

/// Starts and stops a daemon, which proves that no lock is left.
#[track_caller]
fn start_and_stop(subject: &Subject) {
    let daemon = subject.start();
    stop(subject, daemon);
}

/// Records the calls of every case, makes them fail, and prints the result.
fn torture(shape: Shape, floor: usize) {
    if !strace_or_skip() || !root_or_skip() {
        return;
    }
    let account = if shape == Shape::Confined {
        let Some(account) = Account::new_or_skip() else { return };
        Some(account)
    } else {
        None
    };
    let account = account.as_ref();
    let dice = Dice::new(&format!("faults of a {shape:?} daemon"));
    let ways = Way::all(shape);
    let mut setups = BTreeMap::new();
    for action in ["start", "run"] {
        let way = Way { shape, action, before: Before::Nothing, role: Role::Caller };
        let done = way.perform(account, None);
        let daemon = Process(done.subject.pid_text().trim().parse().expect("a PID"));
        done.subject.log_with("up");
        if shape == Shape::Repeating {
            // It then has the socket that it opens for the first question.
            done.subject.act("status").runs(daemon);
        }
        let settled = || Setup::settled(shape, daemon, &done.subject);
        setups.insert(way.setup(), wait_for("the socket of a body that has asked for reloads", settled));
        if let Some(mut child) = done.foreground {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let workers = if is_long() { 4 } else { 2 };
    let recorded = each(&ways, workers, |way| faults(*way, &way.perform(account, None).trace));
    let mut faults: Vec<Fault> = Vec::new();
    for (at, (way, some)) in ways.iter().zip(recorded).enumerate() {
        let some = some.unwrap_or_else(|error| panic!("{way:?} cannot be recorded: {error}"));
        faults.extend(if is_long() { some } else { some_of(&some, &mut dice.of_round(at)) });
    }
    if shape == Shape::Supervised && !is_long() {
        dice.clone().shuffle(&mut faults);
        faults.truncate(160);
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

/// Keeps one error of each call, and of a fifth of the many calls that look up a user.
fn some_of(faults: &[Fault], dice: &mut Dice) -> Vec<Fault> {
    let id = |fault: &Fault| (fault.call.name.clone(), fault.call.when);
    let calls = faults.chunk_by(|one, other| id(one) == id(other));
    let one_of_each: Vec<_> = calls.map(|same| dice.pick(same)).collect();
    one_of_each.into_iter().filter(|fault| !fault.is_lookup || dice.below(5) == 0).collect()
}

#[test]
fn a_plain_daemon_survives_every_fault() {
    torture(Shape::Plain, 140);
}

#[test]
fn a_graceful_daemon_survives_every_fault() {
    torture(Shape::Graceful, 140);
}

#[test]
fn a_daemon_that_says_when_it_is_ready_survives_every_fault() {
    torture(Shape::Waiting, 140);
}

#[test]
fn a_repeating_daemon_survives_every_fault() {
    torture(Shape::Repeating, 140);
}

#[test]
fn a_daemon_that_is_called_and_its_callers_survive_every_fault() {
    torture(Shape::Called, 50);
}

#[test]
fn a_supervised_daemon_survives_every_fault() {
    torture(Shape::Supervised, 100);
}

#[test]
fn a_confined_daemon_survives_every_fault() {
    torture(Shape::Confined, 140);
}
