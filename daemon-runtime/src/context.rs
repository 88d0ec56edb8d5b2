//! What a body is told of the world: that it shall stop, that it shall reload.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::pipe::Pipe;
use crate::readiness::Readiness;
use crate::supervisor::Supervisor;
use crate::sys::{Sys, ThisProcess, now};
use crate::word::Word;

/// Tells a body that it shall stop or reload, and lets it sleep until then.
///
/// A body asks for it by a parameter of this type; then `stop_signal`, SIGTERM and SIGINT no longer end
/// the daemon, and the body has `stop_timeout` to return. It can be cloned and used from any thread.
///
/// # Examples
///
/// ```no_run
/// use daemonic::{Context, Daemon};
/// use std::time::Duration;
///
/// fn work(context: &Context) {
///     while !context.wait(Duration::from_secs(5)) {
///         println!("five seconds later");
///     }
///     println!("stopping");
/// }
///
/// fn main() -> daemonic::Result {
///     Daemon::new("worker").pidfile("/tmp/worker.pid").dispatch(std::env::args().nth(1), work)
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    state: &'static State,
    /// Readable once stopping, and never drained.
    pipe: Option<Arc<Pipe>>,
}

/// Tells why a wait has ended.
///
/// # Examples
///
/// ```no_run
/// use daemonic::{Context, Daemon, Event};
/// use std::time::Duration;
///
/// Daemon::new("clock").start(|context: &Context| {
///     loop {
///         match context.next_event(Duration::from_secs(60)) {
///             Event::Stop => break,
///             Event::Reload => println!("reading the configuration again"),
///             _ => println!("a minute is over"),
///         }
///     }
/// })?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The daemon shall stop.
    Stop,
    /// The daemon shall reload what it has read at its start.
    Reload,
    /// The time is up.
    Elapsed,
}

impl Context {
    pub(crate) fn new(state: &'static State, pipe: Option<Arc<Pipe>>) -> Self {
        Self { state, pipe }
    }

    /// Says that the daemon is ready, for which `start` waits if there is
    /// [`wait_ready`](crate::Daemon::wait_ready), and so does a service manager in the foreground.
    ///
    /// Without anybody who waits, and the second time, it does nothing. If the launcher has gone
    /// meanwhile, by Ctrl-C for instance, nobody wants the daemon any more, and it ends here.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Context, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("server").pidfile("/tmp/ready-example.pid").wait_ready(Duration::from_secs(30));
    /// let outcome = daemon.run(|context: &Context| {
    ///     let _listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     context.ready(); // from here on it can be connected to
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn ready(&self) {
        self.state.ready();
    }

    /// Tells whether the daemon shall stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use std::process::Command;
    ///
    /// let mut seen = (true, false);
    /// Daemon::new("worker").pidfile("/tmp/is-stopping-example.pid").run(|context: &Context| {
    ///     seen.0 = context.is_stopping();
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM for this process
    ///     seen.1 = context.is_stopping();
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert_eq!(seen, (false, true));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        let stopping = self.state.flag.is_stopping();
        if stopping {
            self.state.supervisor.stopping();
        }
        stopping
    }

    /// Sleeps for this long on the monotonic clock, or until a stop is asked for; returns whether one is.
    ///
    /// A zero duration only asks; one that no clock will reach waits for the stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use std::{process::Command, time::Duration};
    ///
    /// let mut told = false;
    /// Daemon::new("worker").pidfile("/tmp/wait-example.pid").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM for this process
    ///     told = context.wait(Duration::MAX);
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert!(told);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "true means that the daemon shall stop"]
    pub fn wait(&self, duration: Duration) -> bool {
        self.wait_until(now().checked_add(duration))
    }

    /// Sleeps until a moment of the monotonic clock, or for ever.
    pub(crate) fn wait_until(&self, deadline: Option<Duration>) -> bool {
        let stop = || self.is_stopping().then_some(Event::Stop);
        self.sleep(deadline, &stop).is_some()
    }

    /// Does the same for a body that can't hear of a reload: nothing is left to do for one but to say so.
    pub(crate) fn rest_until(&self, deadline: Option<Duration>) -> bool {
        let stop = || {
            if self.reload_requested() {
                self.state.supervisor.back();
            }
            self.is_stopping().then_some(Event::Stop)
        };
        self.sleep(deadline, &stop).is_some()
    }

    /// Sleeps until a stop or a reload is asked for, or for this long.
    ///
    /// A stop goes before a reload; a reload is told once, here or by
    /// [`reload_requested`](Context::reload_requested), however many clones and threads ask.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon, Event};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("worker").pidfile("/tmp/next-event-example.pid");
    /// let mut events = Vec::new();
    /// daemon.clone().run(|context: &Context| {
    ///     daemon.clone().reload()?;
    ///     events.push(context.next_event(Duration::MAX)); // at once
    ///     events.push(context.next_event(Duration::from_millis(1)));
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert_eq!(events, [Event::Reload, Event::Elapsed]);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "a reload is told only once"]
    pub fn next_event(&self, duration: Duration) -> Event {
        self.sleep(now().checked_add(duration), &|| self.pending()).unwrap_or(Event::Elapsed)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn state(&self) -> &'static State {
        self.state
    }

    /// Gives what has been asked for by now.
    pub(crate) fn pending(&self) -> Option<Event> {
        match () {
            () if self.is_stopping() => Some(Event::Stop),
            () if self.reload_requested() => Some(Event::Reload),
            () => None,
        }
    }

    /// Tells whether a reload has been asked for since this was last asked.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    ///
    /// let daemon = Daemon::new("worker").pidfile("/tmp/reload-requested-example.pid");
    /// let mut told = Vec::new();
    /// daemon.clone().run(|context: &Context| {
    ///     daemon.clone().reload()?;
    ///     told.extend([context.reload_requested(), context.reload_requested()]);
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert_eq!(told, [true, false]);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "a reload is told only once"]
    pub fn reload_requested(&self) -> bool {
        let requested = self.state.flag.take_reload();
        if requested {
            self.state.supervisor.reloading();
        }
        requested
    }

    /// Sleeps until `wanted` gives something or the deadline has passed, and keeps a watchdog quiet meanwhile.
    fn sleep(&self, deadline: Option<Duration>, wanted: &dyn Fn() -> Option<Event>) -> Option<Event> {
        let State { flag, supervisor, .. } = self.state;
        supervisor.back();
        loop {
            supervisor.beat();
            let pulse = supervisor.pulse().map(|pulse| now() + pulse);
            let until = [deadline, pulse].into_iter().flatten().min();
            let found = flag.sleep(until, wanted);
            if found.is_some() || until == deadline {
                return found;
            }
        }
    }

    /// Lends a descriptor that is readable from the moment a stop is asked for, for
    /// [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html) or any reactor.
    ///
    /// Don't read from it: it tells every clone and every thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use nix::libc::{POLLIN, poll, pollfd};
    /// use std::{os::fd::AsRawFd, process::Command};
    ///
    /// let mut readable = 0;
    /// Daemon::new("worker").pidfile("/tmp/as-fd-example.pid").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM for this process
    ///     let mut stop = pollfd { fd: context.as_fd().as_raw_fd(), events: POLLIN, revents: 0 };
    ///     // SAFETY: the table is this one entry.
    ///     readable = unsafe { poll(&raw mut stop, 1, -1) };
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert_eq!(readable, 1);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    #[allow(clippy::missing_panics_doc, reason = "every Context that a body can get has the pipe")]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_ref().expect("a body with a Context has the pipe").reader()
    }
}

impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("is_stopping", &self.is_stopping()).finish_non_exhaustive()
    }
}

/// What a life and the contexts of its body share.
pub(crate) struct State {
    pub(crate) owner: ThisProcess,
    pub(crate) flag: Flag,
    pub(crate) supervisor: Supervisor,
    /// What a launcher waits for.
    pub(crate) readiness: Mutex<Option<Readiness>>,
}

impl State {
    pub(crate) fn ready(&self) {
        // A child that the body has forked inherits the channel, but doesn't speak for the daemon.
        if self.owner != ThisProcess::here() {
            return;
        }
        let told = self.take_readiness().map_or(Ok(()), |readiness| readiness.ready(self.owner.pid()));
        if told.is_err() {
            std::process::exit(1);
        }
        self.supervisor.ready();
    }

    /// Tells the launcher that the daemon has failed, if it still waits.
    pub(crate) fn failed(&self, reason: &str) {
        if let Some(readiness) = self.take_readiness() {
            readiness.failed(Error::failed(format_args!("{reason}")));
        }
    }

    fn take_readiness(&self) -> Option<Readiness> {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells whether the launcher has gone while the body was getting ready. Async-signal-safe.
    pub(crate) fn is_abandoned(&self) -> bool {
        let readiness = self.readiness.try_lock();
        readiness.is_ok_and(|readiness| readiness.as_ref().is_some_and(Readiness::is_abandoned))
    }
}

/// What signal handlers set and waiters sleep on.
///
/// The word's lowest bit says that a stop is asked for; the others count the reloads, so that each one
/// changes the word.
pub(crate) struct Flag {
    word: Word,
    reload: AtomicBool,
    #[cfg(feature = "tokio")]
    pub(crate) alarm: crate::async_context::Alarm,
}

const STOP: u32 = 1;
const RELOAD: u32 = 2;

impl Flag {
    pub(crate) fn new() -> Sys<Self> {
        Ok(Self {
            word: Word::new()?,
            reload: AtomicBool::new(false),
            #[cfg(feature = "tokio")]
            alarm: crate::async_context::Alarm::default(),
        })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.word.get() & STOP != 0
    }

    /// Asks for a stop. Async-signal-safe; returns whether it is the first time.
    pub(crate) fn stop(&self) -> bool {
        self.word.set(STOP) & STOP == 0
    }

    /// Asks for a reload. Async-signal-safe.
    pub(crate) fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.word.add(RELOAD);
    }

    fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn word(&self) -> u32 {
        self.word.get()
    }

    /// Sleeps until `wanted` gives something or the deadline has passed.
    pub(crate) fn sleep<T>(&self, deadline: Option<Duration>, wanted: impl Fn() -> Option<T>) -> Option<T> {
        loop {
            let seen = self.word.get();
            if let Some(found) = wanted() {
                return Some(found);
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                return None;
            }
            self.word.sleep(seen, deadline);
        }
    }
}
