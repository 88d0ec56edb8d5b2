//! A daemon whose body uses its `Context`. The environment configures both.
//!
//! `SUBJECT_FORM` is `graceful`, `plain`, `repeat` or `plain repeat`. A few keys of the builder are
//! variables such as `SUBJECT_WAIT_READY`, with durations in milliseconds. `SUBJECT_BODY` is a
//! script: steps divided by `;`, each a verb and its object. Steps for a thread or a fork are
//! divided by `&`. With `SUBJECT_SUBSCRIBE` the program has a subscriber of `tracing` before it acts.

#[path = "../subscriber.rs"]
mod subscriber;

use std::env;
use std::path::Path;
use std::process::{self, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use daemonic::{Context, Daemon, Missed, OnError, Repeating, Respawn};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::ForkResult;

fn main() -> ExitCode {
    if key("SUBSCRIBE").is_some() {
        subscriber::subscribe();
    }
    daemonic::report(dispatch(env::args().nth(1)))
}

fn key(name: &str) -> Option<String> {
    env::var(format!("SUBJECT_{name}")).ok()
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("a number of milliseconds"))
}

fn dispatch(action: Option<String>) -> daemonic::Result {
    let script = key("BODY").unwrap_or_default();
    let script = script.as_str();
    if let Some(respawn) = key("RESPAWN") {
        let respawn = if respawn == "always" { Respawn::Always } else { Respawn::OnFailure };
        return dispatch_respawning(action, script, respawn);
    }
    match key("FORM").as_deref().unwrap_or("graceful") {
        "endless" => daemon().dispatch(action, |context: &Context| endless(script, context)),
        "graceful" => daemon().dispatch(action, |context: &Context| Body(Some(context)).perform(script, ';')),
        "plain" => daemon().dispatch(action, || Body(None).perform(script, ';')),
        "repeat" => {
            repeating().dispatch(action, |context: &Context| Body(Some(context)).perform(script, ';'))
        }
        "plain repeat" => repeating().dispatch(action, || Body(None).perform(script, ';')),
        form => panic!("no such form: {form}"),
    }
}

fn dispatch_respawning(action: Option<String>, script: &str, respawn: Respawn) -> daemonic::Result {
    let plain = || Body(None).perform(script, ';');
    let graceful = |context: &Context| Body(Some(context)).perform(script, ';');
    match key("FORM").as_deref().unwrap_or("graceful") {
        "graceful" => daemon().respawn(respawn).dispatch(action, graceful),
        "plain" => daemon().respawn(respawn).dispatch(action, plain),
        "repeat" => repeating().respawn(respawn).dispatch(action, graceful),
        form => panic!("no such form: {form}"),
    }
}

fn daemon() -> Daemon {
    let mut daemon = Daemon::new("subject").pidfile(key("PIDFILE").expect("a pidfile"));
    if let Some(path) = key("STDOUT") {
        daemon = daemon.stdout(path);
    }
    if let Some(patience) = key("WAIT_READY") {
        daemon = daemon.wait_ready(milliseconds(&patience));
    }
    if let Some(patience) = key("STOP_TIMEOUT") {
        daemon = daemon.stop_timeout(milliseconds(&patience));
    }
    if let Some(delay) = key("RESPAWN_DELAY") {
        daemon = daemon.respawn_delay(milliseconds(&delay));
    }
    if let Some(signal) = key("STOP_SIGNAL") {
        daemon = daemon.stop_signal(signal.parse().expect("a signal"));
    }
    daemon
}

fn repeating() -> Daemon<Repeating> {
    let every = milliseconds(&key("EVERY").expect("a period"));
    let times = key("TIMES").map_or(0, |times| times.parse().expect("a number"));
    let go_on = key("ON_ERROR").is_some_and(|policy| policy == "continue");
    let missed = if key("MISSED").is_some() { Missed::Burst } else { Missed::Skip };
    daemon().every(every).missed(missed).times(times).on_error(if go_on {
        OnError::Continue
    } else {
        OnError::Stop
    })
}

fn endless(script: &str, context: &Context) -> ! {
    let _ = Body(Some(context)).perform(script, ';');
    loop {
        thread::park();
    }
}

#[derive(Clone, Copy)]
struct Body<'a>(Option<&'a Context>);

impl Body<'_> {
    fn context(&self) -> &Context {
        self.0.expect("a form with a Context")
    }

    fn perform(self, script: &str, divider: char) -> Result<ExitCode> {
        for step in script.split(divider) {
            if let Some(code) = self.step(step.trim())? {
                return Ok(code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Runs one step. An exit code ends the script.
    fn step(self, step: &str) -> Result<Option<ExitCode>> {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let number = || rest.parse::<u8>().expect("a number");
        let signal = || rest.parse::<Signal>().expect("a signal");
        let duration = || if rest.is_empty() { Duration::MAX } else { milliseconds(rest) };
        match verb {
            "" => {}
            "print" => println!("{rest}"),
            "subscribe" => subscriber::subscribe(),
            "ready" => self.context().ready(),
            "wait" => println!("stopping {}", self.context().wait(duration())),
            "event" => match self.context().next_event(duration()) {
                Some(event) => println!("{event:?}"),
                None => println!("Elapsed"),
            },
            "stopping" => println!("stopping {}", self.context().is_stopping()),
            "reloading" => println!("reloading {}", self.context().reload_requested()),
            "reloaded" => self.context().reloaded(Ok::<_, anyhow::Error>(())),
            "unloaded" => self.context().reloaded(Err(anyhow!("{rest}").context("cannot read"))),
            "status" => self.context().status(rest),
            "poll" => println!("readable {}", self.is_readable(PollTimeout::NONE)),
            "glance" => println!("readable {}", self.is_readable(PollTimeout::ZERO)),
            // Like a server: continues after each reload, ends by a stop.
            "serve" => while self.context().next_event(Duration::MAX) == Some(daemonic::Event::Reload) {},
            "park" => endless_park(),
            "pause" => thread::sleep(duration()),
            "until" => until(rest),
            // A second file, for a second wait.
            "again" => until(&format!("{}.again", key("PIDFILE").expect("a pidfile"))),
            "fail" => return Err(anyhow!("{rest}").context("cannot work")),
            "long" => return Err(anyhow!("{}", "x".repeat(rest.parse().expect("a length")))),
            "panic" => panic!("{rest}"),
            "exit" => process::exit(number().into()),
            "abort" => process::abort(),
            "code" => return Ok(Some(ExitCode::from(number()))),
            "kill" => nix::sys::signal::raise(signal()).expect("a signal to myself"),
            "block" => SigSet::from(signal()).thread_block().expect("a mask"),
            "first" => return self.only_first(rest),
            "threads" => self.threads(rest),
            "fork" => self.fork(rest)?,
            "spawn" => spawn(rest),
            "exec" => exec(rest),
            "hook" => hook(signal()),
            // The same without a thread, which a process that is to fork must not have.
            "flag" => drop(signal_hook::flag::register(signal() as i32, Arc::default()).expect("a hook")),
            "other" => match Daemon::new("other").pidfile(rest).start(|| endless_park()) {
                Ok(outcome) => println!("{outcome}"),
                Err(error) => println!("{error}"),
            },
            "ctrlc" => ctrlc::set_handler(|| println!("ctrlc")).expect("ctrlc"),
            "act" => match dispatch(Some(rest.to_owned())) {
                Ok(outcome) => println!("{outcome}"),
                Err(error) => println!("{error}"),
            },
            _ => panic!("no such step: {step}"),
        }
        Ok(None)
    }

    fn is_readable(self, timeout: PollTimeout) -> bool {
        let mut fds = [PollFd::new(self.context().as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, timeout) == Err(Errno::EINTR) {}
        fds[0].any().expect("flags")
    }

    fn only_first(self, step: &str) -> Result<Option<ExitCode>> {
        static SECOND: AtomicBool = AtomicBool::new(false);
        if SECOND.swap(true, Ordering::Relaxed) { Ok(None) } else { self.step(step) }
    }

    /// Runs each step in a thread with a clone of the context, and waits for all threads.
    fn threads(self, rest: &str) {
        let (count, steps) = rest.split_once(' ').expect("a number and steps");
        let begin = || {
            let (steps, context) = (steps.to_owned(), self.0.cloned());
            thread::spawn(move || Body(context.as_ref()).perform(&steps, '&').expect("no failure"))
        };
        let threads: Vec<_> = (0..count.parse().expect("a number")).map(|_| begin()).collect();
        println!("begun {count}");
        for thread in threads {
            thread.join().expect("no panic");
        }
    }

    /// Forks a child that runs steps and exits.
    #[allow(unsafe_code, reason = "there is no safe fork")]
    fn fork(self, steps: &str) -> Result<()> {
        // SAFETY: the scripts fork before they have any other thread.
        match unsafe { nix::unistd::fork()? } {
            ForkResult::Parent { child } => println!("forked {child}"),
            ForkResult::Child => {
                self.perform(steps, '&')?;
                process::exit(0);
            }
        }
        Ok(())
    }
}

fn endless_park() -> ! {
    loop {
        thread::park();
    }
}

/// Prints that it waits for a file, and continues when the file exists.
fn until(path: &str) {
    println!("until");
    while !Path::new(path).exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[allow(clippy::zombie_processes, reason = "the tests look at what becomes of it")]
fn spawn(command: &str) {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    let child = command.args(words).stdin(Stdio::null()).spawn().expect("a child");
    println!("spawned {}", child.id());
}

/// Executes another program, without the cleanup of the standard library.
fn exec(command: &str) -> ! {
    let words: Vec<_> =
        command.split(' ').map(|word| std::ffi::CString::new(word).expect("a word")).collect();
    let Err(errno) = nix::unistd::execvp(&words[0], &words);
    panic!("cannot execute {command}: {errno}");
}

/// Registers a signal with signal-hook too, and prints when it arrives.
fn hook(signal: Signal) {
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal as i32, Arc::clone(&heard)).expect("a hook");
    println!("hooked {signal}");
    thread::spawn(move || {
        while !heard.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        println!("signal-hook heard {signal}");
    });
}
