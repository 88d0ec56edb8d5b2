//! The handle by which a body waits for requests.

use std::fmt::{self, Display};
use std::os::fd::{AsFd, BorrowedFd};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use crate::life::flag::Flag;
use crate::life::self_pipe::Pipe;
use crate::life::state::State;
use crate::sys::clock::now;
use crate::sys::timer::Timer;

/// A handle by which a body waits for a stop or a reload, and reports that it is ready.
///
/// A body asks for it by a parameter of this type. The stop signal, SIGTERM and SIGINT then no longer end the daemon;
/// the body has [`stop_timeout`](crate::Daemon::stop_timeout) to return. The handle can be cloned and used from any
/// thread.
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
///     Daemon::new("worker").dispatch(std::env::args().nth(1), work)
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    state: &'static State,
    /// Readable once a stop is requested, and never drained.
    pipe: Option<Arc<Pipe>>,
    /// The timer by which a repeating daemon waits for a clock other than the monotonic one.
    timer: Option<Arc<Timer>>,
}

/// A request to a body.
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
///             Some(Event::Stop) => break,
///             Some(_) => println!("reading the configuration again"),
///             None => println!("a minute later"),
///         }
///     }
/// })?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The daemon must stop.
    Stop,
    /// The daemon must reload what it read when it started.
    Reload,
}

impl Context {
    pub(crate) fn new(state: &'static State, pipe: Option<Arc<Pipe>>, timer: Option<Arc<Timer>>) -> Self {
        Self { state, pipe, timer }
    }

    pub(crate) fn flag(&self) -> &Flag {
        &self.state.flag
    }

    pub(crate) fn timer(&self) -> Option<&Timer> {
        self.timer.as_deref()
    }

    pub(crate) fn state(&self) -> &'static State {
        self.state
    }

    /// Reports that the daemon is ready.
    ///
    /// `start` waits for this if [`wait_ready`](crate::Daemon::wait_ready) is set, and so does a service manager in the
    /// foreground. If no process waits, or on a second call, this does nothing. If the launcher is gone, for example
    /// after Ctrl-C, the start is cancelled, and this call ends the daemon.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Context, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("ready-example").wait_ready(Duration::from_secs(30));
    /// let outcome = daemon.run(|context: &Context| {
    ///     let _listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     context.ready(); // clients can connect from here on
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn ready(&self) {
        // A child that the body has forked inherits the channel, but is not the daemon.
        if self.state.is_of_this_process() && self.state.ready().is_err() {
            process::exit(1);
        }
        self.emit_deferred();
    }

    /// Returns whether the daemon must stop, or, with [`run_timeout`](crate::Daemon::run_timeout), whether the current
    /// run must end.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use std::process::Command;
    ///
    /// let mut seen = (true, false);
    /// Daemon::new("is-stopping-example").run(|context: &Context| {
    ///     seen.0 = context.is_stopping();
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM to this process
    ///     seen.1 = context.is_stopping();
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert_eq!(seen, (false, true));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state.flag.is_stopping()
    }

    /// Sleeps for this long on the monotonic clock, or until a stop is requested. Returns whether a stop is requested.
    ///
    /// A zero duration does not sleep. A duration that the clock cannot reach, such as [`Duration::MAX`], waits for the
    /// stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use std::{process::Command, time::Duration};
    ///
    /// let mut must_stop = false;
    /// Daemon::new("wait-example").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM to this process
    ///     must_stop = context.wait(Duration::MAX);
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert!(must_stop);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "`true` means that the daemon must stop"]
    pub fn wait(&self, duration: Duration) -> bool {
        self.wait_until(now().checked_add(duration))
    }

    /// Sleeps until a moment of the monotonic clock, or without end. Returns whether a stop is requested.
    pub(crate) fn wait_until(&self, deadline: Option<Duration>) -> bool {
        self.state.body_waits();
        self.sleep(deadline, &|| self.stop_requested()).is_some()
    }

    /// Sleeps until a stop or a reload is requested. Returns `None` after this long on the monotonic clock.
    ///
    /// A stop comes before a reload. A reload is returned once, here or by
    /// [`reload_requested`](Context::reload_requested), however many clones and threads wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon, Event};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("next-event-example");
    /// let mut events = Vec::new();
    /// daemon.run(|context: &Context| {
    ///     daemon.reload()?;
    ///     events.push(context.next_event(Duration::MAX)); // returns at once
    ///     events.push(context.next_event(Duration::from_millis(1)));
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert_eq!(events, [Some(Event::Reload), None]);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "a reload is returned only once"]
    pub fn next_event(&self, duration: Duration) -> Option<Event> {
        let _wait = self.state.await_event();
        self.sleep(now().checked_add(duration), &|| self.event_requested())
    }

    /// Returns a stop that is requested. Emits the events that wait, since this is never called by a signal handler.
    pub(crate) fn stop_requested(&self) -> Option<Event> {
        self.emit_deferred();
        self.is_stopping().then_some(Event::Stop)
    }

    /// Returns the request that is pending, if there is one.
    pub(crate) fn event_requested(&self) -> Option<Event> {
        self.stop_requested().or_else(|| self.state.take_reload().then_some(Event::Reload))
    }

    /// Returns whether a reload has been requested since the last call.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    ///
    /// let daemon = Daemon::new("reload-requested-example");
    /// let mut requests = Vec::new();
    /// daemon.run(|context: &Context| {
    ///     daemon.reload()?;
    ///     requests.extend([context.reload_requested(), context.reload_requested()]);
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert_eq!(requests, [true, false]);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use = "a reload is returned only once"]
    pub fn reload_requested(&self) -> bool {
        self.state.body_asks();
        self.state.take_reload()
    }

    /// Reports the result of the reload that the body handles.
    ///
    /// The action `reload` waits for this. If the result is an error, `reload` prints its text (`{:#}`) and fails, and
    /// the text is written to the log. A service manager is notified that the reload is complete.
    ///
    /// Without this call, a reload has succeeded when the body asks for its next request: by
    /// [`next_event`](Context::next_event), [`reload_requested`](Context::reload_requested) or
    /// [`event`](Context::event), or when the thread that has taken the reload calls [`wait`](Context::wait). If no
    /// reload is taken, this does nothing. If another thread has already taken the next reload, the result counts for
    /// that one too.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Context, Daemon, Event};
    /// use std::time::Duration;
    ///
    /// Daemon::new("greeter").start(|context: &Context| {
    ///     let load = || std::fs::read_to_string("/etc/greeting");
    ///     let mut greeting = load()?;
    ///     while context.next_event(Duration::MAX) == Some(Event::Reload) {
    ///         context.reloaded(load().map(|text| greeting = text));
    ///     }
    ///     println!("the last greeting was {greeting}");
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn reloaded<E: Display>(&self, result: Result<(), E>) {
        self.state.answer(result);
    }

    /// Sends a text about the daemon's state to the service manager, which shows it (`systemctl status`).
    ///
    /// Without a service manager, and without the feature `systemd`, this does nothing. The text is one line of at most
    /// 1024 bytes: control characters are escaped, and a longer text is cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    ///
    /// Daemon::new("status-text-example").run(|context: &Context| {
    ///     context.status("3 connections");
    ///     context.status(format_args!("{} connections", 2 + 2));
    /// })?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn status(&self, text: impl Display) {
        if self.state.is_of_this_process() {
            self.state.service_manager.status(&text);
        }
    }

    /// Requests the end of the current run, which then sees a stop.
    pub(crate) fn end_run(&self) {
        self.state.flag.end_run();
        self.pipe.iter().for_each(|pipe| pipe.write());
    }

    /// Clears the stop that [`end_run`](Self::end_run) has shown, so that the next run does not see it.
    pub(crate) fn run_has_ended(&self) {
        self.state.flag.run_has_ended();
        if let Some(pipe) = &self.pipe {
            pipe.drain();
            // A stop of the daemon may have been drained too. One that comes now writes again.
            if self.state.flag.is_daemon_stopping() {
                pipe.write();
            }
        }
    }

    /// Returns whether this process is the daemon, and not a child that the body has forked.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.state.is_of_this_process()
    }

    /// Emits the notices that signal handlers have left, if there is a subscriber.
    pub(crate) fn emit_deferred(&self) {
        // A child that the body has forked has a copy of the notices, but is not the daemon.
        if self.state.deferred.is_waiting() && self.state.is_of_this_process() {
            self.state.deferred.emit();
        }
    }

    /// Reports the notices that still wait, because the body has returned.
    pub(crate) fn report_deferred(&self) {
        if self.state.is_of_this_process() {
            self.state.deferred.report();
        }
    }

    /// Prepares a sleep that does not use the flag. Returns whether a stop is requested.
    pub(crate) fn begins_to_wait(&self) -> bool {
        self.state.body_waits();
        self.state.service_manager.feed_watchdog();
        self.stop_requested().is_some()
    }

    /// Returns the time after which a sleep has to feed the watchdog, if there is one.
    pub(crate) fn next_keep_alive(&self) -> Option<Duration> {
        self.state.service_manager.watchdog()
    }

    /// Sleeps until `wanted` returns something or the deadline has passed, and feeds a watchdog meanwhile.
    pub(crate) fn sleep<T>(&self, deadline: Option<Duration>, wanted: &dyn Fn() -> Option<T>) -> Option<T> {
        let State { flag, service_manager, .. } = self.state;
        loop {
            service_manager.feed_watchdog();
            let next_keep_alive = service_manager.watchdog().map(|period| now() + period);
            let until = [deadline, next_keep_alive].into_iter().flatten().min();
            let found = flag.sleep(until, wanted);
            if found.is_some() || until == deadline {
                return found;
            }
        }
    }

    /// Borrows a descriptor that becomes readable when a stop is requested, for
    /// [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html) or a reactor.
    ///
    /// Do not read from it: it is shared by all clones.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    /// use std::process::Command;
    ///
    /// let mut is_readable = false;
    /// Daemon::new("as-fd-example").run(|context: &Context| {
    ///     Command::new("sh").args(["-c", "kill $PPID"]).status()?; // SIGTERM to this process
    ///     let mut stop = [PollFd::new(context.as_fd(), PollFlags::POLLIN)];
    ///     is_readable = poll(&mut stop, PollTimeout::NONE)? == 1;
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// assert!(is_readable);
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
