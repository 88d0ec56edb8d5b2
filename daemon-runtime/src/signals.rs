//! Signals: their names, and the handlers by which a daemon hears of a stop and a reload.
//!
//! A handler does async-signal-safe things only
//! ([signal-safety(7)](https://man7.org/linux/man-pages/man7/signal-safety.7.html)), saves `errno`, acts
//! only in the process that installed it, and leaves alone whatever else is installed.

use std::ffi::c_int;
use std::fmt;
use std::iter;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::libc;

use crate::context::{Context, Flag, State};
use crate::error::{Error, Result, list};
use crate::pidfile::Held;
use crate::pipe::Pipe;
use crate::readiness::Readiness;
use crate::stdio::Streams;
use crate::supervisor::Supervisor;
use crate::sys::{self, Disposition, FileId, SignalSet, ThisProcess};

/// Names a signal that can be a daemon's `stop_signal`.
///
/// # Examples
///
/// ```
/// use daemonic::Signal;
///
/// assert_eq!("SIGUSR1".parse::<Signal>()?, Signal::SIGUSR1);
/// assert_eq!("TERM".parse::<Signal>()?, Signal::SIGTERM);
/// assert_eq!(Signal::SIGTERM.to_string(), "SIGTERM");
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(c_int);

macro_rules! signals {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $name:ident)*) => {
        impl Signal {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? pub const $name: Self = Self(libc::$name);)*
        }

        const SIGNALS: &[(&str, Signal)] =
            &[$($(#[cfg($cfg)])? (stringify!($name), Signal::$name)),*];
    };
}

signals! {
    /// Terminate: the default.
    SIGTERM
    /// Interrupt, as by Ctrl-C.
    SIGINT
    /// Quit, as by Ctrl-\.
    SIGQUIT
    /// The program's own, first.
    SIGUSR1
    /// The program's own, second.
    SIGUSR2
    /// A timer's.
    SIGALRM
    /// The window's size has changed; some servers stop gracefully by it.
    SIGWINCH
    /// Power is failing; only on Linux.
    #[cfg(target_os = "linux")]
    SIGPWR
    /// Hang up: it means *reload* here, so it can't mean *stop*.
    SIGHUP
    /// Kill: it can't be caught; `stop` sends it when `stop_timeout` is over.
    SIGKILL
    /// Stop the process: it can't be caught, and doesn't end anything.
    SIGSTOP
}

impl Signal {
    pub(crate) fn number(self) -> c_int {
        self.0
    }

    /// Says why a signal can't be a daemon's `stop_signal`, if it can't.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        match self {
            Self::SIGHUP => Some("it means reload"),
            Self::SIGKILL | Self::SIGSTOP => Some("it can't be caught"),
            _ => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(SIGNALS.iter().find(|row| row.1 == *self).map_or("", |row| row.0))
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let short = text.strip_prefix("SIG").unwrap_or(text);
        let known = SIGNALS.iter().find(|row| row.0.strip_prefix("SIG") == Some(short));
        known.map(|row| row.1).ok_or_else(|| {
            let names = list(&mut SIGNALS.iter().map(|row| row.0));
            Error::failed(format_args!("unknown signal `{text}`; use one of {names}"))
        })
    }
}

/// What a stop signal does to a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It ends the body at once.
    Abrupt,
    /// It sets the flag, and the body returns when it can.
    Graceful,
    /// The same in the foreground, where a second Ctrl-C ends the body at once.
    GracefulForeground,
}

/// A daemon's life in this process, as its signal handlers see it.
///
/// Handlers may be looking at it in any thread at any time, so it is never freed: some hundred bytes
/// for each daemon that a process has been. What it holds goes when it ends.
struct Life {
    name: String,
    stop_signal: Signal,
    manner: Manner,
    streams: Option<Streams>,
    pidfile: FileId,
    held: Mutex<Option<Held>>,
    state: State,
    pipe: Mutex<Option<Arc<Pipe>>>,
    ended: AtomicBool,
    next: OnceLock<&'static Life>,
}

/// The lives of this process, oldest first.
static LIVES: OnceLock<&'static Life> = OnceLock::new();

/// A life that has begun: signals reach it, and an exit of the process ends it in order.
#[must_use = "dropping this ends the life: the handlers go, and the pidfile"]
pub(crate) struct Living {
    life: &'static Life,
    signals: Vec<c_int>,
}

/// What a life begins with.
pub(crate) struct Birth<'a> {
    pub(crate) name: &'a str,
    pub(crate) stop_signal: Signal,
    pub(crate) manner: Manner,
    /// What is behind `Context::as_fd`, for a body with a `Context`.
    pub(crate) pipe: sys::Sys<Option<Pipe>>,
    /// What a reload reopens; nothing in the foreground.
    pub(crate) streams: Option<Streams>,
    pub(crate) held: Held,
}

impl Living {
    /// Installs the handlers around a pidfile that is held.
    pub(crate) fn begin(birth: Birth<'_>) -> Result<Self> {
        let Birth { name, stop_signal, manner, pipe, streams, held } = birth;
        let owner = held.owner();
        let supervisor = if streams.is_none() { Supervisor::find() } else { Supervisor::default() };
        let cannot = |errno| Error::os(format_args!("cannot install the signal handlers"), errno);
        let flag = Flag::new().map_err(cannot)?;
        let pipe = pipe.map_err(cannot)?.map(Arc::new);
        let life: &'static Life = Box::leak(Box::new(Life {
            name: name.to_owned(),
            stop_signal,
            manner,
            streams,
            pidfile: held.id(),
            held: Mutex::new(Some(held)),
            state: State { owner, flag, supervisor, readiness: Mutex::new(None) },
            pipe: Mutex::new(pipe),
            ended: AtomicBool::new(false),
            next: OnceLock::new(),
        }));
        let mut living = Self { life, signals: Vec::new() };
        enlist(life);
        register_exit().map_err(cannot)?;
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, stop_signal.0] {
            living.listen_to(signal).map_err(cannot)?;
        }
        Ok(living)
    }

    fn listen_to(&mut self, signal: c_int) -> sys::Sys<()> {
        if !self.signals.contains(&signal) {
            install(signal, self.life.state.owner)?;
            self.signals.push(signal);
        }
        Ok(())
    }

    /// Leaves it to the body to say when the daemon is ready; if its launcher goes before that, so does the
    /// daemon.
    pub(crate) fn let_body_say(&mut self, mut readiness: Readiness) -> sys::Sys<()> {
        let begun = self.listen_to(libc::SIGIO);
        match begun.and_then(|()| readiness.wait_for_body(self.life.state.owner.pid())) {
            Ok(()) => *lock(&self.life.state.readiness) = Some(readiness),
            Err(errno) => {
                readiness.failed(Error::os(format_args!("cannot prepare for the body's readiness"), errno));
                return Err(errno);
            }
        }
        Ok(())
    }

    /// Makes a handle for the body.
    pub(crate) fn context(&self) -> Context {
        Context::new(&self.life.state, lock(&self.life.pipe).clone())
    }

    /// Gives what the life shares with its body.
    pub(crate) fn state(&self) -> &'static State {
        &self.life.state
    }

    /// Lets the signals in that this life listens to.
    pub(crate) fn unblock(&self) {
        sys::unblock(&self.signals);
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        // The pidfile first, so that whoever sends a signal because he has seen the lock finds the handlers; and in one
        // go, since a signal may end this process.
        let blocked = Blocked::all();
        drop(lock(&self.life.held).take());
        drop(blocked);
        for signal in &self.signals {
            uninstall(*signal);
        }
        self.life.ended.store(true, Ordering::Release);
        // Whoever still waits for a stop needn't any longer.
        self.life.stop();
        drop(lock(&self.life.pipe).take());
    }
}

/// Appends to the list. Readers need no lock, as each link is set once.
fn enlist(life: &'static Life) {
    let mut link = &LIVES;
    while link.set(life).is_err() {
        link = &link.get().expect("a link that can't be set is set").next;
    }
}

/// Gives the lives of this process that last. Async-signal-safe.
fn own_lives() -> impl Iterator<Item = &'static Life> {
    let here = ThisProcess::here();
    iter::successors(LIVES.get(), |life| life.next.get())
        .filter(move |life| life.state.owner == here && !life.ended.load(Ordering::Acquire))
        .copied()
}

/// The one handler of all signals that a daemon listens to.
extern "C" fn hear(signal: c_int) {
    let errno = Errno::last_raw();
    let mut heard = false;
    for life in own_lives() {
        life.hear(signal);
        heard = true;
    }
    // A child that the body has forked inherits the handler, but is no daemon: what it would have died
    // of without us, it dies of.
    if !heard && sys::is_installed(signal, hear) {
        die_of(signal);
    }
    Errno::set_raw(errno);
}

impl Life {
    fn hear(&self, signal: c_int) {
        match signal {
            // The launcher has gone, and with it the wish for a daemon that isn't ready yet.
            libc::SIGIO if self.state.is_abandoned() => die_of(libc::SIGTERM),
            libc::SIGIO => {}
            libc::SIGHUP => self.reload(),
            libc::SIGTERM | libc::SIGINT => self.end(signal),
            _ if signal == self.stop_signal.0 => self.end(signal),
            _ => {}
        }
    }

    fn reload(&self) {
        if let Some(streams) = &self.streams {
            streams.reopen(&self.name, self.pidfile);
        }
        self.state.flag.reload();
    }

    fn end(&self, signal: c_int) {
        match self.manner {
            // Another handler above ours that calls ours, as those of signal-hook and tokio do, means
            // that the body wants to hear this signal itself.
            Manner::Abrupt if sys::is_installed(signal, hear) => die_of(signal),
            Manner::Abrupt => {}
            Manner::Graceful | Manner::GracefulForeground => {
                let again = !self.stop();
                if again && signal == libc::SIGINT && self.manner == Manner::GracefulForeground {
                    die_of(signal);
                }
            }
        }
    }

    /// Tells the body to stop, in every way it can hear of it; says whether it is the first time.
    fn stop(&self) -> bool {
        let first = self.state.flag.stop();
        if first {
            if let Ok(Some(pipe)) = self.pipe.try_lock().as_deref() {
                pipe.write();
            }
        }
        first
    }

    /// Removes the pidfile, unless the life is just ending and does so itself.
    fn remove_pidfile(&self) {
        if let Ok(Some(held)) = self.held.try_lock().as_deref() {
            held.remove();
        }
    }
}

/// Ends the process by a signal, as if there had been no handler, but without its pidfile.
fn die_of(signal: c_int) {
    own_lives().for_each(Life::remove_pidfile);
    let _ = sys::reset_to_default(signal);
    sys::raise(signal);
    sys::unblock(&[signal]);
    // Still here: as PID 1, or by a signal that does nothing by default.
    sys::exit_now(128 + u8::try_from(signal).unwrap_or(0));
}

/// Has the pidfile removed if the body ends the process by `std::process::exit`.
fn register_exit() -> sys::Sys<()> {
    extern "C" fn at_exit() {
        for life in own_lives() {
            life.state.failed("exited before it was ready");
            life.remove_pidfile();
        }
    }
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if REGISTERED.swap(true, Ordering::AcqRel) { Ok(()) } else { sys::at_exit(at_exit) }
}

/// The signals that have our handler.
static INSTALLED: Mutex<Vec<Installed>> = Mutex::new(Vec::new());

struct Installed {
    signal: c_int,
    /// Which process has installed it: a daemon that is started by a daemon begins anew, above whatever has been
    /// put over its parent's.
    owner: ThisProcess,
    before: Disposition,
    /// How many lives listen.
    lives: usize,
}

fn install(signal: c_int, owner: ThisProcess) -> sys::Sys<()> {
    let mut installed = lock(&INSTALLED);
    installed.retain(|entry| entry.owner == owner);
    if let Some(entry) = installed.iter_mut().find(|entry| entry.signal == signal) {
        entry.lives += 1;
    } else {
        let before = sys::install_handler(signal, hear)?;
        installed.push(Installed { signal, owner, before, lives: 1 });
    }
    Ok(())
}

fn uninstall(signal: c_int) {
    let mut installed = lock(&INSTALLED);
    let Some(at) = installed.iter().position(|entry| entry.signal == signal) else { return };
    installed[at].lives -= 1;
    if installed[at].lives == 0 {
        let Installed { before, .. } = installed.swap_remove(at);
        if sys::is_installed(signal, hear) {
            let _ = sys::restore(signal, &before);
        }
    }
}

/// All signals blocked in this thread.
#[must_use = "dropping this gives the mask back that was there before"]
pub(crate) struct Blocked(SignalSet);

impl Blocked {
    pub(crate) fn all() -> sys::Sys<Self> {
        SignalSet::all().block().map(Self)
    }

    pub(crate) fn give_back(&self) {
        let _ = self.0.block();
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
