//! The daemon that most tests start. The environment configures it.
//!
//! Each key of the builder is a variable such as `SUBJECT_PIDFILE`, with durations in milliseconds
//! and the umask in octal. `SUBJECT_BODY` is a script: steps divided by `;`, each a verb and its
//! object, as in `print hello; park`. With `SUBJECT_CONTEXT` the body takes a `Context`.
//!
//! `subject ACTION` runs one action, also with options, as in `subject logs -n 5`. `subject
//! converse` runs an action for each line of its standard input and answers each with a line, which
//! shows the effects on a caller that lives on. The line `reap` has it wait for a child.

use std::env;
use std::ffi::{c_int, c_long, c_uint};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use daemonic::{
    Answer, Children, Clock, Context, Daemon, Event, IntoAction, Invocation, Missed, OnError, Repeating,
    Respawn,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid};

/// The claim of the body, until the body releases it or the process ends.
static CLAIM: Mutex<Option<Flock<File>>> = Mutex::new(None);

/// The file that the program has opened before it called the dispatcher.
static NOTES: OnceLock<File> = OnceLock::new();

/// The descriptor that the program has duplicated without `O_CLOEXEC`.
static DUPLICATE: OnceLock<RawFd> = OnceLock::new();

/// Runs it, here or as part of a program with a feature.
pub(crate) fn main() -> ExitCode {
    if let Some(path) = key("OPEN") {
        let file = File::options().create(true).append(true).open(path).expect("the notes open");
        NOTES.set(file).expect("they are opened once");
    }
    match key("THREAD").as_deref() {
        None => {}
        Some("joined") => thread::scope(|scope| drop(scope.spawn(|| {}))),
        Some("ask") => (0..8).for_each(|_| drop(thread::spawn(ask))),
        Some(_) => drop(thread::spawn(thread::park)),
    }
    for descriptor in key("CLOSE").iter().flat_map(|list| list.split(',')) {
        nix::unistd::close(descriptor.parse::<c_int>().expect("a number")).expect("an open descriptor");
    }
    if let Some(signal) = key("HANDLER") {
        hook(signal.parse().expect("a signal"), handler_flags());
    }
    if key("PRINTF").is_some() {
        print_by_c();
    }
    if key("DUPLICATE").is_some() {
        let duplicate = nix::unistd::dup(io::stderr()).expect("a descriptor").into_raw_fd();
        DUPLICATE.set(duplicate).expect("it is made once");
    }
    if key("SUBREAPER").is_some() {
        nix::sys::prctl::set_child_subreaper(true).expect("a flag");
    }
    if key("NOCLDWAIT").is_some() {
        leave_no_zombies();
    }
    if key("KEEPCAPS").is_some() {
        nix::sys::prctl::set_keepcaps(true).expect("a flag");
    }
    let _after = key("AFTER").map(After);
    if let Some(process) = key("HALT") {
        halt(process.parse().expect("a number"));
    }
    print!("{}", key("EARLY").unwrap_or_default());
    let words: Vec<String> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("converse") => converse(),
        // With options, as a whole program has them.
        Some(word) if words.len() > 1 || word == "--json" => {
            daemonic::report(dispatch(Invocation::from_args(words)))
        }
        word => daemonic::report(dispatch(word)),
    }
}

/// Asks for the status of the daemon that this process is about to become, until it is one.
fn ask() {
    while !matches!(daemon().status(), Ok(outcome) if matches!(outcome.answer(), Answer::Running { .. })) {}
}

fn converse() -> ExitCode {
    for action in io::stdin().lines().map_while(Result::ok) {
        if action == "reap" {
            println!("{:?}", waitpid(None, None));
            continue;
        }
        match dispatch(Some(action)) {
            Ok(outcome) => println!("{:?} {outcome}", outcome.answer()),
            Err(error) => println!("{error}"),
        }
    }
    ExitCode::SUCCESS
}

fn key(name: &str) -> Option<String> {
    env::var(format!("SUBJECT_{name}")).ok()
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("a number of milliseconds"))
}

fn dispatch(action: impl IntoAction) -> daemonic::Result {
    let script = Script(key("BODY").unwrap_or_default());
    #[cfg(feature = "cron")]
    if let Some(expression) = key("CRON") {
        return dispatch_cron(action, &expression, script);
    }
    let every = key("EVERY").map(|period| milliseconds(&period));
    if let Some(check) = key("CHECK").map(Script) {
        return dispatch_with_check(action, every, &script, &check);
    }
    if let Some(respawn) = key("RESPAWN") {
        return dispatch_respawning(action, every, script, policy(&respawn));
    }
    if let Some(path) = key("GUARD").filter(|_| key("SETUP").is_none()) {
        return dispatch_with_guard(action, every, script, After(path));
    }
    if let (Some(setup), Some(every)) = (key("SETUP"), every) {
        return dispatch_with_setup(action, every, script, &Script(setup));
    }
    match (every, key("CONTEXT")) {
        (None, None) if script.0 == "never" => daemon().dispatch(action, never),
        (None, None) if script.0 == "nothing" => daemon().dispatch(action, || {}),
        (None, None) => daemon().dispatch(action, || script.perform(None)),
        (None, Some(_)) => daemon().dispatch(action, |context: &Context| script.perform(Some(context))),
        (Some(every), None) if key("BOMB").is_some() => {
            let mut bomb = Bomb(false);
            repeating(every).dispatch(action, move || {
                bomb.arm();
                script.perform(None)
            })
        }
        (Some(every), None) => repeating(every).dispatch(action, || script.perform(None)),
        (Some(every), Some(_)) => {
            repeating(every).dispatch(action, |context: &Context| script.perform(Some(context)))
        }
    }
}

/// Dispatches a body whose launcher makes a check, with a setup if it repeats.
fn dispatch_with_check(
    action: impl IntoAction,
    every: Option<Duration>,
    script: &Script,
    check: &Script,
) -> daemonic::Result {
    let check = || check.perform(None);
    match every {
        None => daemon().check(check).dispatch(action, || script.perform(None)),
        Some(every) => {
            let setup = Script(key("SETUP").unwrap_or_default());
            let daemon = repeating(every).setup(|| setup.perform(None).map(drop)).check(check);
            daemon.dispatch(action, |(): &mut ()| script.perform(None))
        }
    }
}

/// Dispatches a body that owns a value whose drop can be seen.
fn dispatch_with_guard(
    action: impl IntoAction,
    every: Option<Duration>,
    script: Script,
    guard: After,
) -> daemonic::Result {
    match (every, key("CONTEXT")) {
        (None, None) => daemon().dispatch(action, move || {
            let _guard = guard;
            script.perform(None)
        }),
        (None, Some(_)) => daemon().dispatch(action, move |context: &Context| {
            let _guard = guard;
            script.perform(Some(context))
        }),
        (Some(every), _) => repeating(every).dispatch(action, move |context: &Context| {
            let _guard = &guard;
            script.perform(Some(context))
        }),
    }
}

/// What the setup makes, whose drop can be seen.
struct Kept {
    runs: u32,
    _drop: Option<After>,
}

/// Dispatches a body that counts its runs in a value that a script has made.
fn dispatch_with_setup(
    action: impl IntoAction,
    every: Duration,
    script: Script,
    setup: &Script,
) -> daemonic::Result {
    let make = || {
        setup.perform(None)?;
        Ok::<_, Failure>(Kept { runs: 0, _drop: key("KEPT").map(After) })
    };
    let guard = key("GUARD").map(After);
    let run = move |kept: &mut Kept, context: Option<&Context>| {
        let _guard = &guard;
        kept.runs += 1;
        println!("run {}", kept.runs);
        script.perform(context)
    };
    let daemon = repeating(every).setup(make);
    match key("CONTEXT") {
        None => daemon.dispatch(action, move |kept: &mut Kept| run(kept, None)),
        Some(_) => {
            daemon.dispatch(action, move |kept: &mut Kept, context: &Context| run(kept, Some(context)))
        }
    }
}

fn policy(respawn: &str) -> Respawn {
    match respawn {
        "never" => Respawn::Never,
        "on-failure" => Respawn::OnFailure,
        "always" => Respawn::Always,
        other => panic!("no such policy: {other}"),
    }
}

/// Dispatches a body that may have several lives, and that owns a value whose drop can be seen.
fn dispatch_respawning(
    action: impl IntoAction,
    every: Option<Duration>,
    script: Script,
    respawn: Respawn,
) -> daemonic::Result {
    let guard = key("GUARD").map(After);
    let live = move |context: Option<&Context>| {
        let _guard = &guard;
        script.perform(context)
    };
    let Some(every) = every else {
        let daemon = daemon().respawn(respawn);
        return match key("CONTEXT") {
            None => daemon.dispatch(action, move || live(None)),
            Some(_) => daemon.dispatch(action, move |context: &Context| live(Some(context))),
        };
    };
    let Some(setup) = key("SETUP").map(Script) else {
        let daemon = repeating(every).respawn(respawn);
        return match key("CONTEXT") {
            None => daemon.dispatch(action, move || live(None)),
            Some(_) => daemon.dispatch(action, move |context: &Context| live(Some(context))),
        };
    };
    let make = || {
        setup.perform(None)?;
        Ok::<_, Failure>(Kept { runs: 0, _drop: key("KEPT").map(After) })
    };
    let daemon = repeating(every).setup(make).respawn(respawn);
    daemon.dispatch(action, move |kept: &mut Kept| {
        kept.runs += 1;
        println!("run {}", kept.runs);
        live(None)
    })
}

/// Dispatches a body that runs at the times of a cron expression.
#[cfg(feature = "cron")]
fn dispatch_cron(action: impl IntoAction, expression: &str, script: Script) -> daemonic::Result {
    let daemon = with_keys(daemon().cron(expression));
    let daemon = match key("TIMEZONE") {
        Some(zone) => daemon.timezone(zone),
        None => daemon,
    };
    match (key("RESPAWN"), key("CONTEXT")) {
        (Some(respawn), _) => daemon.respawn(policy(&respawn)).dispatch(action, move || script.perform(None)),
        (None, None) => daemon.dispatch(action, || script.perform(None)),
        (None, Some(_)) => daemon.dispatch(action, |context: &Context| script.perform(Some(context))),
    }
}

fn never() -> ! {
    loop {
        thread::park();
    }
}

type Setter = fn(Daemon, String) -> Daemon;
type RepeatSetter<W> = fn(Daemon<Repeating<W>>, String) -> Daemon<Repeating<W>>;

fn daemon() -> Daemon {
    let keys: [(&str, Setter); 18] = [
        ("PIDFILE", |daemon, path| daemon.pidfile(path.replace("\\0", "\0"))),
        ("STDIN", |daemon, path| daemon.stdin(path)),
        ("STDOUT", |daemon, path| daemon.stdout(path)),
        ("STDERR", |daemon, path| daemon.stderr(path)),
        ("WORKING_DIRECTORY", |daemon, path| daemon.working_directory(path)),
        ("UMASK", |daemon, mask| daemon.umask(u32::from_str_radix(&mask, 8).expect("an octal umask"))),
        ("STOP_SIGNAL", |daemon, name| daemon.stop_signal(name.parse().expect("a signal"))),
        ("STOP_TIMEOUT", |daemon, time| daemon.stop_timeout(milliseconds(&time))),
        ("CLOSE_FDS", |daemon, close| daemon.close_fds(close == "true")),
        ("NAME", |daemon, name| daemon.name(name)),
        ("USER", |daemon, user| daemon.user(user)),
        ("GROUP", |daemon, group| daemon.group(group)),
        ("CHROOT", |daemon, root| daemon.chroot(root)),
        ("WAIT_READY", |daemon, time| daemon.wait_ready(milliseconds(&time))),
        ("WAIT_ALIVE", |daemon, time| daemon.wait_alive(milliseconds(&time))),
        ("RESPAWN_DELAY", |daemon, time| daemon.respawn_delay(milliseconds(&time))),
        ("RESPAWN_LIMIT", |daemon, limit| daemon.respawn_limit(limit.parse().expect("a number"))),
        ("CHILDREN", |daemon, children| {
            daemon.children(if children == "end" { Children::End } else { Children::Leave })
        }),
    ];
    keys.into_iter().fold(Daemon::new("subject"), |daemon, (name, set)| match key(name) {
        Some(value) => set(daemon, value),
        None => daemon,
    })
}

fn repeating(every: Duration) -> Daemon<Repeating> {
    let missed = match key("MISSED").as_deref() {
        Some("burst") => Missed::Burst,
        Some("delay") => Missed::Delay,
        _ => Missed::Skip,
    };
    let daemon = with_keys(daemon().every(every)).missed(missed);
    let daemon = match key("DELAY") {
        Some(delay) => daemon.delay(milliseconds(&delay)),
        None => daemon,
    };
    if key("CLOCK").as_deref() == Some("boot") { daemon.clock(Clock::Boot) } else { daemon }
}

/// Sets the keys of every repeating daemon.
fn with_keys<W>(daemon: Daemon<Repeating<W>>) -> Daemon<Repeating<W>> {
    let on_error =
        if key("ON_ERROR").as_deref() == Some("continue") { OnError::Continue } else { OnError::Stop };
    let times = key("TIMES").map_or(0, |times| times.parse().expect("a number"));
    let daemon = limited(daemon.times(times).on_error(on_error));
    match key("JITTER") {
        Some(jitter) => daemon.jitter(milliseconds(&jitter)),
        None => daemon,
    }
}

/// Sets the keys about the attempts of a run, or about those that are missed.
fn limited<W>(daemon: Daemon<Repeating<W>>) -> Daemon<Repeating<W>> {
    let keys: [(&str, RepeatSetter<W>); 5] = [
        ("CATCH_UP", |daemon, _| daemon.catch_up(true)),
        ("STATE", |daemon, path| daemon.state(path)),
        ("RETRY", |daemon, retries| daemon.retry(retries.parse().expect("a number"))),
        ("RETRY_DELAY", |daemon, delay| daemon.retry_delay(milliseconds(&delay))),
        ("RUN_TIMEOUT", |daemon, limit| daemon.run_timeout(milliseconds(&limit))),
    ];
    keys.into_iter().fold(daemon, |daemon, (name, set)| match key(name) {
        Some(value) => set(daemon, value),
        None => daemon,
    })
}

/// An error whose alternate form is longer, like the errors of `anyhow`.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert_ne!(self.0, UNSPEAKABLE, "an error that can't be said");
        f.write_str(&self.0)?;
        if f.alternate() { f.write_str(": the cause") } else { Ok(()) }
    }
}

/// The text with which a [`Failure`] panics when it is displayed.
const UNSPEAKABLE: &str = "unspeakable";

/// Records which process drops this: the one that returns from the dispatcher or leaves it by a panic, or the one that
/// drops a body.
struct After(String);

impl Drop for After {
    fn drop(&mut self) {
        let mut file = File::options().create(true).append(true).open(&self.0).expect("a file");
        writeln!(file, "{}", process::id()).expect("a line");
    }
}

/// A value that a body captures, and that panics when it is dropped after a run.
struct Bomb(bool);

impl Bomb {
    fn arm(&mut self) {
        self.0 = true;
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "the bomb goes off");
    }
}

struct Script(String);

impl Script {
    fn perform(&self, context: Option<&Context>) -> Result<ExitCode, Failure> {
        for step in self.0.split(';') {
            if let Some(code) = perform(step.trim(), context)? {
                return Ok(code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs one step. An exit code ends the script.
fn perform(step: &str, context: Option<&Context>) -> Result<Option<ExitCode>, Failure> {
    let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
    let number = || rest.parse::<u8>().expect("a number");
    match verb {
        "" => {}
        "print" => println!("{rest}"),
        "warn" => eprintln!("{rest}"),
        "half" => print!("{rest}"),
        "note" => writeln!(NOTES.get().expect("SUBJECT_OPEN"), "{rest}").expect("the notes take a line"),
        // One byte for each run, in a file other than the log.
        "tally" => NOTES.get().expect("SUBJECT_OPEN").write_all(b".").expect("the notes take a byte"),
        "stamp" => println!("{}", read(ClockId::CLOCK_MONOTONIC).as_nanos()),
        // The time of day, in seconds since 1970.
        "date" => println!("{}", read(ClockId::CLOCK_REALTIME).as_secs()),
        "park" => never(),
        // A shell that runs a file, and that the body does not wait for.
        "spawn" => drop(process::Command::new("sh").arg(rest).spawn().expect("a shell")),
        "ready" => context.expect("SUBJECT_CONTEXT").ready(),
        "herald" => herald(context.expect("SUBJECT_CONTEXT"), rest.into()),
        "claim" => claim(Path::new(rest)),
        "release" => drop(CLAIM.lock().expect("one thread").take()),
        "identify" => println!("{}", process::id()),
        "directory" => println!("{}", env::current_dir().expect("a directory").display()),
        "make" => drop(File::create_new(rest).expect("a new file")),
        "raise" => nix::sys::signal::raise(rest.parse().expect("a signal")).expect("a signal to itself"),
        "sleep" => thread::sleep(milliseconds(rest)),
        // Prints a line for the test to wait for, and continues when the file exists.
        "until" => {
            println!("until {rest}");
            while !Path::new(rest).exists() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        "count" => count(),
        // Fails unless it is among the program's arguments.
        "need" if env::args().any(|argument| argument == rest) => {}
        "need" => return Err(Failure(format!("no argument {rest}"))),
        "fail" => return Err(Failure(rest.to_owned())),
        "panic" => panic!("{rest}"),
        "exit" => process::exit(number().into()),
        "abort" => process::abort(),
        "overflow" => println!("{}", overflow(0)),
        "code" => return Ok(Some(ExitCode::from(number()))),
        "first" => {
            static SECOND: AtomicBool = AtomicBool::new(false);
            if !SECOND.swap(true, Ordering::Relaxed) {
                return perform(rest, context);
            }
        }
        // Only in the life that makes the file.
        "once" => {
            let (path, step) = rest.split_once(' ').expect("a path and a step");
            if File::create_new(path).is_ok() {
                return perform(step, context);
            }
        }
        "fork" => return fork(rest, context),
        // Children get a PID namespace, in which the first one is process 1.
        "namespace" => unshare(CloneFlags::CLONE_NEWPID).expect("a namespace"),
        "reap" => drop(waitpid(None, None)),
        // As its owner does in a release build. A debug build aborts if the descriptor is closed
        // already.
        "forget" => drop(nix::unistd::close(*DUPLICATE.get().expect("SUBJECT_DUPLICATE"))),
        "flood" => flood(),
        // Another thread, which has the mask of this one.
        "thread" => drop(thread::spawn(never)),
        "block" => block(rest.parse().expect("a signal")),
        // As many files as the limit allows, up to a number that takes the system a while to close.
        "hoard" => mem::forget((0..50_000).map_while(|_| File::open("/dev/null").ok()).collect::<Vec<_>>()),
        "read" => drop(fs::read(rest).expect("a file to read")),
        // With options, as the program's `main` does it.
        "report" => drop(daemonic::report(dispatch(Invocation::from_args(rest.split(' '))))),
        "act" => println!("{rest}: {}", text_of(dispatch(Some(rest.to_owned())))),
        "wait" => {
            let stopping = context.expect("SUBJECT_CONTEXT").wait(Duration::MAX);
            println!("stopping {stopping}");
        }
        "other" => println!("{}", text_of(Daemon::new("other").pidfile(rest).start(never))),
        // Whether the descriptor of the stop is readable, within some time.
        "poll" => {
            let mut polled = [PollFd::new(context.expect("SUBJECT_CONTEXT").as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::from(rest.parse::<u16>().expect("a number of milliseconds"));
            println!("readable {:?}", poll(&mut polled, timeout).map(|count| count == 1));
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "await" => drop(context.expect("SUBJECT_CONTEXT").wait(Duration::MAX)),
        "hook" => {
            hook(rest.parse().expect("a signal"), SaFlags::SA_RESTART);
            println!("hooking");
        }
        "seize" => seize(Path::new(rest)),
        "bequeath" => println!("bequeathed {}", bequeath(Path::new(rest))),
        "reincarnate" => reincarnate(bequeath(Path::new(rest))),
        // A call that a handler can interrupt, and that ends by nothing else.
        "receive" => {
            let (mut one, _other) = UnixStream::pair().expect("a pair of sockets");
            println!("{:?}", one.read(&mut [0]).map_err(|error| error.kind()));
        }
        "event" => {
            let event = context.expect("SUBJECT_CONTEXT").next_event(Duration::MAX);
            println!("{:?}", event.expect("a stop or a reload"));
        }
        // Like a server: continues after each reload, ends by a stop.
        "serve" => {
            while context.expect("SUBJECT_CONTEXT").next_event(Duration::MAX) == Some(Event::Reload) {}
        }
        // Reports that it has failed to reload.
        "unloaded" => context.expect("SUBJECT_CONTEXT").reloaded(Err(Failure(rest.to_owned()))),
        _ => panic!("no such step: {step}"),
    }
    Ok(None)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).map(Duration::from).expect("a clock")
}

fn text_of(result: daemonic::Result) -> String {
    result.map_or_else(|error| error.to_string(), |outcome| outcome.to_string())
}

/// Suspends one process at its beginning until it gets SIGCONT: this one (0), the first child (1)
/// or the daemon (2).
#[allow(unsafe_code, reason = "there is no safe pthread_atfork")]
fn halt(process: u32) {
    static GENERATION: AtomicU32 = AtomicU32::new(0);
    static HALTING: AtomicU32 = AtomicU32::new(0);
    extern "C" fn in_child() {
        if GENERATION.fetch_add(1, Ordering::Relaxed) + 1 == HALTING.load(Ordering::Relaxed) {
            let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        }
    }
    if process == 0 {
        let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        return;
    }
    HALTING.store(process, Ordering::Relaxed);
    // SAFETY: the function lives as long as the program, and is async-signal-safe.
    let failure = unsafe { nix::libc::pthread_atfork(None, None, Some(in_child)) };
    assert_eq!(failure, 0, "a handler for forks");
}

/// Locks a file for life. If another live body has the lock, writes that to `PATH.overlap`.
fn claim(path: &Path) {
    let open = || File::options().create(true).append(true).read(true).open(path).expect("a file to claim");
    let mut file = open();
    let mut claimed = loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(claimed) => break claimed,
            Err((same, _)) => file = same,
        }
        let holder = fs::read_to_string(path).unwrap_or_default();
        if holder.ends_with('\n') && holder.trim().parse().is_ok_and(is_running) {
            let path = path.with_extension("overlap");
            let mut overlaps = File::options().create(true).append(true).open(path).expect("a file");
            writeln!(overlaps, "{} while {}", process::id(), holder.trim()).expect("a line");
        }
        thread::sleep(Duration::from_millis(1));
    };
    claimed.set_len(0).expect("an empty file");
    writeln!(claimed, "{}", process::id()).expect("a line");
    *CLAIM.lock().expect("one thread") = Some(claimed);
}

/// Returns whether a process lives and is not exiting. The kernel releases the locks of an exiting
/// process one after the other.
fn is_running(pid: u32) -> bool {
    const EXITING: u32 = 4;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    fields.is_some_and(|fields| fields[9 - 3].parse::<u32>().is_ok_and(|flags| flags & EXITING == 0))
}

/// Prints numbered lines forever, with a pause after each.
fn count() -> ! {
    for number in 0_u64.. {
        println!("{number}");
        thread::sleep(Duration::from_millis(1));
    }
    unreachable!("there are more numbers than time")
}

/// Has another thread report that the daemon is ready, once the file exists.
fn herald(context: &Context, go: PathBuf) {
    let context = context.clone();
    thread::spawn(move || {
        while !go.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        context.ready();
    });
}

/// Reads how the handler from before the dispatcher is installed.
fn handler_flags() -> SaFlags {
    match key("HANDLER_FLAGS").as_deref() {
        None => SaFlags::SA_RESTART,
        Some("once") => SaFlags::SA_RESTART | SaFlags::SA_RESETHAND,
        Some(_) => SaFlags::empty(),
    }
}

/// Prints a line by the C library, which keeps it in a buffer of its own unless stdout is a terminal.
#[allow(unsafe_code, reason = "C's functions are not safe")]
fn print_by_c() {
    // SAFETY: the text ends in a NUL byte.
    unsafe { libc::puts(c"printed by C".as_ptr()) };
}

/// Has the system forget each child as soon as it ends.
#[allow(unsafe_code, reason = "there is no safe sigaction")]
fn leave_no_zombies() {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::SA_NOCLDWAIT, SigSet::empty());
    // SAFETY: the default disposition calls nothing of ours.
    unsafe { sigaction(Signal::SIGCHLD, &action) }.expect("a default");
}

/// Installs a handler that also calls the previous handler of the signal.
#[allow(unsafe_code, reason = "there is no safe sigaction")]
fn hook(signal: Signal, flags: SaFlags) {
    static BEFORE: OnceLock<SigHandler> = OnceLock::new();
    extern "C" fn hear(signal: c_int) {
        let _ = nix::unistd::write(io::stdout(), b"hooked\n");
        if let Some(SigHandler::Handler(before)) = BEFORE.get() {
            before(signal);
        }
    }
    let action = SigAction::new(SigHandler::Handler(hear), flags, SigSet::empty());
    // SAFETY: the handler only writes, and calls a handler that was installed before.
    let before = unsafe { sigaction(signal, &action) }.expect("a handler");
    BEFORE.set(before.handler()).expect("one hook");
}

/// Overflows the stack.
#[allow(unconditional_recursion, reason = "that is the point")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box([depth; 1000]).iter().sum::<u64>() + overflow(depth + 1)
}

/// Forks a child that runs a step and ends.
#[allow(unsafe_code, reason = "there is no safe fork")]
fn fork(step: &str, context: Option<&Context>) -> Result<Option<ExitCode>, Failure> {
    // SAFETY: this process has one thread, so the child may call anything.
    match unsafe { nix::unistd::fork() }.expect("a fork") {
        ForkResult::Parent { child } => {
            println!("forked {child}");
            Ok(None)
        }
        ForkResult::Child => {
            perform(step, context)?;
            process::exit(0);
        }
    }
}

/// Fills the pipe that is its log.
fn flood() {
    let nonblocking = |flags| fcntl(io::stdout(), FcntlArg::F_SETFL(flags)).expect("flags");
    nonblocking(OFlag::O_NONBLOCK);
    while nix::unistd::write(io::stdout(), &[b'.'; 4096]).is_ok() {}
    while nix::unistd::write(io::stdout(), b".").is_ok() {}
    nonblocking(OFlag::empty());
}

fn block(signal: Signal) {
    SigSet::from(signal).thread_block().expect("a mask");
}

/// Closes every descriptor, and opens files of its own under their numbers.
#[allow(unsafe_code, reason = "there is no safe close_range")]
fn seize(folder: &Path) {
    // SAFETY: the owners of the descriptors find other files under their numbers. The tests are
    // about that.
    let failure = unsafe { libc::syscall(libc::SYS_close_range, 3, c_uint::MAX, 0) };
    assert_eq!(failure, 0, "the descriptors close");
    for number in 0..8 {
        let path = folder.join(number.to_string());
        let mut file = File::options().create_new(true).read(true).write(true).open(path).expect("a file");
        file.write_all(b"precious\n").expect("a line");
        mem::forget(file);
    }
}

/// Locks a file as a daemon does, by a child that shares this process's descriptors and ends. The
/// lock stays, and the kernel names the child, whose PID this returns.
#[allow(unsafe_code, reason = "there is no safe clone")]
fn bequeath(path: &Path) -> Pid {
    let file =
        File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a file");
    let lock = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).expect("a kind"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a place"),
        l_start: 0,
        l_len: 2,
        l_pid: 0,
    };
    let flags = c_long::from(libc::CLONE_FILES | libc::SIGCHLD);
    // SAFETY: this process has one thread, and the child has memory of its own.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    if child == 0 {
        let locked = fcntl(&file, FcntlArg::F_SETLK(&lock)).is_ok();
        // SAFETY: `_exit` only ends the process.
        unsafe { libc::_exit(i32::from(!locked)) };
    }
    let child = Pid::from_raw(child.try_into().expect("a process"));
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "the child locks");
    mem::forget(file);
    child
}

/// Makes an idle child with a certain PID, and prints the PID or the reason of the failure.
#[allow(unsafe_code, reason = "there is no safe clone3")]
fn reincarnate(pid: Pid) {
    let number: libc::pid_t = pid.as_raw();
    let mut arguments = [0_u64; 10];
    arguments[4] = u64::from(libc::SIGCHLD.unsigned_abs());
    arguments[8] = (&raw const number).addr() as u64;
    arguments[9] = 1;
    // SAFETY: the arguments are a `clone_args` with `set_tid`, this process has one thread, and the
    // child has memory of its own.
    let child = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) };
    match child {
        0 => never(),
        -1 => println!("refused {}", Errno::last()),
        child => println!("reincarnated {child}"),
    }
}
