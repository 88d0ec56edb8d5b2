//! The supervisor, which gives a body its lives in child processes.
//!
//! ```text
//! launcher ─ supervisor: the lock, the pidfile, the caller's privileges
//!                 └ fork ─ body's process: user, group, chroot; the body
//! ```
//!
//! The supervisor is the daemon: its PID is in the pidfile, and it gets the signals. It passes requests that concern
//! the body on to the body, and the body's reports on to the launcher and the service manager.

use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, getpid};

use crate::command::children::Children;
use crate::command::error::{Error, Result};
use crate::command::exit::Exit;
use crate::command::report::{BodyProcess, LastExit, Phase, Report};
use crate::life::backoff::{Backoff, wants};
use crate::life::instance::Place;
use crate::life::log;
use crate::life::notice::Notice;
use crate::life::notify::ServiceManager;
use crate::life::readiness::{News, Readiness};
use crate::life::streams::Streams;
use crate::lock::channel::Channel;
use crate::lock::failure::Failure;
use crate::lock::held::HeldPidfile;
use crate::settings::{KILL_TIMEOUT, Settings};
use crate::supervise::descendants::Descendants;
use crate::supervise::end::End;
use crate::supervise::life::{BodySide, Ends, Life};
use crate::supervise::requests::{Request, Requests};
use crate::supervise::stop::Stop;
use crate::sys::clock::{now, since_1970};
use crate::sys::descriptor::wait_readable;
use crate::sys::interrupted::uninterrupted;
use crate::sys::process::{SingleThread, flush_c_streams, fork, number};

/// The parts from which a supervisor is made.
pub(crate) struct SupervisorOptions<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) held: HeldPidfile,
    pub(crate) place: Place,
    /// The streams that a reload reopens. None if there are none.
    pub(crate) streams: Option<Streams>,
    pub(crate) service_manager: ServiceManager,
}

/// The daemon whose body lives in a child.
pub(crate) struct Supervisor<'a> {
    settings: &'a Settings,
    held: HeldPidfile,
    place: Place,
    streams: Option<Streams>,
    service_manager: ServiceManager,
    requests: Requests,
    /// The control channel. None if the system has none; the daemon works without it.
    channel: Option<Channel>,
    descendants: Descendants,
    /// The launcher, until the body has been ready for the first time.
    launcher: Option<Readiness>,
    has_been_ready: bool,
    backoff: Backoff,
    stop: Stop,
    /// The signal that has requested the stop.
    asked_by: Option<Signal>,
    /// The end of the latest life.
    last: Option<LastEnd>,
    respawns: u32,
}

/// The end of a life.
struct LastEnd {
    /// The time on the monotonic clock.
    ended: Duration,
    /// The time since 1970.
    at: Duration,
    reason: String,
}

/// The process in which [`Supervisor::supervise`] has returned.
pub(crate) enum Side {
    /// A child, which must call the body.
    Body(Box<BodySide>),
    /// The supervisor, once there is no further life.
    Supervisor(End),
}

/// The longest pause between two looks at the processes that must end.
const LOOK: Duration = Duration::from_millis(50);

impl<'a> Supervisor<'a> {
    /// Begins to supervise: queues the signals, all of which must be blocked, and adopts the orphans.
    pub(crate) fn begin(options: SupervisorOptions<'a>) -> Result<Self> {
        let SupervisorOptions { settings, held, place, streams, service_manager } = options;
        let descendants = Descendants::adopt(settings.children == Children::End)?;
        let requests = Requests::new(settings.stop_signal.raw())
            .map_err(|errno| Error::os(format_args!("cannot receive signals"), errno))?;
        let channel = Channel::open(&held).ok();
        Ok(Self {
            settings,
            held,
            place,
            streams,
            service_manager,
            requests,
            channel,
            descendants,
            launcher: None,
            has_been_ready: false,
            backoff: Backoff::new(settings.respawn_delay, settings.respawn_limit),
            stop: Stop::NotRequested,
            asked_by: None,
            last: None,
            respawns: 0,
        })
    }

    /// Waits until the launcher watches this process. From then on, reports to the launcher.
    pub(crate) fn reporting_to(
        mut self,
        launcher: Readiness,
    ) -> std::result::Result<Self, (Readiness, Error)> {
        match launcher.await_verdict(getpid()) {
            Ok(()) => {
                self.launcher = Some(launcher);
                Ok(self)
            }
            Err(error) => {
                let error = Error::io(format_args!("cannot prepare for the body's readiness"), &error);
                Err((launcher, error))
            }
        }
    }

    /// Runs the body in a new child for each life that the key `respawn` allows. Returns in each child that must call
    /// the body, and in the supervisor at the end.
    pub(crate) fn supervise(mut self, thread: &SingleThread) -> Side {
        loop {
            let (end, lived) = match self.fork_body(thread) {
                Ok(Forked::Body(ends)) => return Side::Body(Box::new(self.become_body(ends))),
                Ok(Forked::Supervisor(life)) => self.watch(life),
                Err(error) => (LifeEnd::of_fork(&error), Duration::ZERO),
            };
            let launcher = self.end_wait_of_launcher();
            if self.settings.children == Children::End {
                let has_next = wants(self.settings.respawn, self.has_failed(end.failure.exit));
                self.end_children(self.has_been_ready && !has_next);
            }
            if !self.has_been_ready {
                return Side::Supervisor(self.end_unready(end, launcher));
            }
            let has_failed = self.has_failed(end.failure.exit);
            let pause = if self.stop.is_requested() {
                None
            } else {
                self.next_pause(&end.failure, lived, has_failed)
            };
            let Some(pause) = pause else { return Side::Supervisor(self.end(&end.failure, has_failed)) };
            self.last = Some(LastEnd { ended: now(), at: since_1970(), reason: end.failure.to_string() });
            self.pause(pause);
            if self.stop.is_requested() {
                return Side::Supervisor(self.end(&Failure::now(Exit::Code(0), None), false));
            }
            self.respawns = self.respawns.saturating_add(1);
        }
    }

    fn fork_body(&self, thread: &SingleThread) -> io::Result<Forked> {
        // Otherwise the body would write the buffered text of Rust and C a second time.
        let _ = io::stdout().flush();
        flush_c_streams();
        let ends = Ends::new(&self.service_manager)?;
        Ok(match fork(thread)? {
            ForkResult::Child => Forked::Body(ends),
            ForkResult::Parent { child } => Forked::Supervisor(ends.of_supervisor(child)),
        })
    }

    /// Drops in the child what only the supervisor may keep.
    fn become_body(self, ends: Ends) -> BodySide {
        let (supervisor, pidfile) = (self.held.owner().pid(), self.held.id());
        let pidfile_to_publish = self.held.pass_to_body();
        self.descendants.leave_to_parent();
        let respawned = self.last.map(|last| (self.respawns, last.reason));
        BodySide {
            publishing: pidfile_to_publish,
            ..ends.of_body(supervisor, pidfile, !self.has_been_ready, respawned)
        }
    }

    /// Waits for the end of a life. Returns it with its duration.
    fn watch(&mut self, mut life: Life) -> (LifeEnd, Duration) {
        let mut seen = None;
        loop {
            let ended = self.descendants.reap(Some(life.pid));
            life.listen(ended.is_some());
            self.pass_readiness_on(&life);
            self.pass_answer_on(&mut life);
            let is_new = seen.replace((self.phase_of(&life), life.is_reloading)) != seen;
            if let Some(exit) = ended {
                life.relay(&self.service_manager);
                self.service_manager.body_has_ended();
                let lived = now().saturating_sub(life.since);
                return (self.end_of(life, exit), lived);
            }
            self.report(&Situation::Living(&life), is_new);
            let deadline = self.stop.deadline();
            if deadline.is_some_and(|deadline| now() >= deadline) {
                self.log(Notice::Killing { after: self.settings.stop_timeout });
                life.signal(Signal::SIGKILL);
                self.stop = Stop::Killing;
                continue;
            }
            self.wait(life.inputs(), deadline);
            life.relay(&self.service_manager);
            self.handle_requests(Some(&mut life));
        }
    }

    /// Sleeps until something happens or the monotonic clock has reached the deadline.
    fn wait(&self, [channel, relay]: [Option<BorrowedFd<'_>>; 2], deadline: Option<Duration>) {
        let launcher = self.launcher.as_ref().map(AsFd::as_fd);
        let clients = self.channel.as_ref().map(Channel::as_fd);
        let inputs = [Some(self.requests.as_fd()), clients, launcher, channel, relay];
        let timeout = deadline.map(|deadline| deadline.saturating_sub(now()));
        // Whatever woke this process, the caller looks at everything.
        let _ = uninterrupted(|| wait_readable(inputs, timeout));
    }

    fn phase_of(&self, life: &Life) -> Phase {
        if self.stop.is_requested() {
            Phase::Stopping
        } else if life.is_ready || self.settings.wait_alive.is_some() {
            // With `wait_alive`, a body need not report that it is ready.
            Phase::Running
        } else {
            Phase::Starting
        }
    }

    /// Reports to each new client, and to the clients that wait for changes if the situation is new.
    fn report(&mut self, situation: &Situation<'_>, is_new: bool) {
        let Some(mut channel) = self.channel.take() else { return };
        let report = self.describe(situation);
        channel.serve(&report);
        if is_new {
            channel.publish(&report);
        }
        self.channel = Some(channel);
    }

    /// Sends the body's answer to a reload to all clients.
    fn pass_answer_on(&mut self, life: &mut Life) {
        let Some(reloaded) = life.reloaded.take() else { return };
        let Some(mut channel) = self.channel.take() else { return };
        channel.publish(&Report { reloaded: Some(reloaded), ..self.describe(&Situation::Living(life)) });
        self.channel = Some(channel);
    }

    fn describe(&self, situation: &Situation<'_>) -> Report<'_> {
        let phase = match situation {
            Situation::Living(life) => self.phase_of(life),
            _ if self.stop.is_requested() => Phase::Stopping,
            Situation::Waiting { .. } => Phase::Waiting,
            Situation::Ending { is_last: true } => Phase::Stopping,
            Situation::Ending { is_last: false } => Phase::Starting,
        };
        let now = now();
        let last = self.last.as_ref().map(|LastEnd { ended, at, reason }| LastExit {
            ago: now.saturating_sub(*ended),
            at: Some(*at),
            reason: reason.into(),
        });
        let mut report = Report { respawns: self.respawns, last, ..Report::new(phase) };
        match situation {
            Situation::Living(life) => {
                report.body =
                    Some(BodyProcess { pid: number(life.pid), age: now.saturating_sub(life.since) });
                report.takes_reloads = life.takes_reloads;
                report.is_reloading = life.is_reloading;
            }
            Situation::Waiting { until } => report.due = until.map(|until| until.saturating_sub(now)),
            Situation::Ending { .. } => {}
        }
        report
    }

    /// Reports to the launcher that the body is ready for the first time. If the launcher is gone, stops.
    fn pass_readiness_on(&mut self, life: &Life) {
        if !life.is_ready || self.has_been_ready {
            return;
        }
        self.become_ready();
        let is_launcher_gone = self.launcher.take().is_some_and(|launcher| launcher.ready(getpid()).is_err());
        if is_launcher_gone {
            self.obey(Request::Stop(Signal::SIGTERM), Some(life));
        }
    }

    /// Ends the wait of the launcher, because a body has ended. Returns the launcher if it must learn that there is no
    /// daemon. From now on, the launcher can no longer stop waiting, even if its time is over before it learns that.
    fn end_wait_of_launcher(&mut self) -> Option<Readiness> {
        let mut launcher = self.launcher.take()?;
        if launcher.take_last_news() == News::Released {
            self.become_ready();
            return None;
        }
        Some(launcher)
    }

    fn become_ready(&mut self) {
        self.has_been_ready = true;
        if self.channel.is_none() {
            // Nothing else shows that the daemon is no longer starting.
            self.held.file().withdraw();
        }
    }

    /// Acts on the requests that have arrived, and, until the body is ready, on the launcher's news.
    fn handle_requests(&mut self, mut life: Option<&mut Life>) {
        match self.launcher.as_ref().map_or(News::None, Readiness::take_news) {
            News::None => {}
            // The time of `wait_alive` is over.
            News::Released => {
                self.launcher = None;
                self.become_ready();
                if let Some(life) = &mut life {
                    life.is_ready = true;
                }
            }
            News::Gone => {
                self.launcher = None;
                self.obey(Request::Stop(Signal::SIGTERM), life.as_deref());
            }
        }
        while let Some(request) = self.requests.take() {
            self.obey(request, life.as_deref());
        }
    }

    /// Carries out a request. Passes its signal on to the body, if there is one.
    fn obey(&mut self, request: Request, life: Option<&Life>) {
        let signal = match request {
            Request::Reap => return,
            Request::Reload => {
                self.reopen();
                Signal::SIGHUP
            }
            Request::Stop(signal) if !self.stop.is_requested() => {
                self.stop = Stop::Requested { deadline: now().checked_add(self.settings.stop_timeout) };
                self.asked_by = Some(signal);
                self.log_request(Notice::Stopping { signal });
                self.service_manager.stopping();
                // A terminal sends its own SIGINT to the body, which must not count as a second one.
                if signal == Signal::SIGINT { self.settings.stop_signal.raw() } else { signal }
            }
            Request::Stop(signal) | Request::PassOn(signal) => signal,
        };
        match life {
            Some(life) => {
                if request == Request::Reload {
                    self.service_manager.await_body();
                }
                life.signal(signal);
            }
            // There is no body to report that its reload is complete.
            None if request == Request::Reload => self.service_manager.reloaded_without_body(),
            None => {}
        }
    }

    fn reopen(&self) {
        let Some(streams) = &self.streams else { return };
        for (path, obstacle) in streams.logs().into_iter().zip(streams.reopen(self.held.id())) {
            if let Some(obstacle) = obstacle {
                self.log(Notice::CannotReopen { path, obstacle });
            }
        }
        self.log_request(Notice::Reloading);
    }

    /// Returns how a life has ended, with the body's own text if there is one.
    fn end_of(&self, life: Life, exit: Exit) -> LifeEnd {
        let is_kill = exit == Exit::Signal(Signal::SIGKILL as i32) && !self.stop.is_requested();
        let exit = if is_kill && life.has_met_lack_of_memory() { Exit::OutOfMemory } else { exit };
        let Life { message, refusal, .. } = life;
        let message = message.or_else(|| refusal.as_ref().map(|error| error.text().to_owned()));
        LifeEnd { failure: Failure::now(exit, message), refusal }
    }

    fn has_failed(&self, exit: Exit) -> bool {
        match exit {
            Exit::Code(code) => code != 0,
            Exit::Signal(signal) => !self.requests.is_stop_of_body(signal),
            Exit::OutOfMemory => true,
        }
    }

    /// Returns the pause before the next life, if there is another one. Writes a line to the log about the pause, or
    /// about giving up.
    fn next_pause(&mut self, failure: &Failure, lived: Duration, has_failed: bool) -> Option<Duration> {
        if !wants(self.settings.respawn, has_failed) {
            return None;
        }
        let pause = self.backoff.after(lived, has_failed);
        if let Some(pause) = pause {
            self.log(Notice::Respawning { pause, reason: failure });
        } else {
            self.log(Notice::GivingUp { failures: self.settings.respawn_limit, reason: failure });
        }
        pause
    }

    /// Sleeps until the pause is over or a stop is requested.
    fn pause(&mut self, pause: Duration) {
        let end = now().checked_add(pause);
        let mut is_new = true;
        while !self.stop.is_requested() && end.is_none_or(|end| now() < end) {
            self.report(&Situation::Waiting { until: end }, mem::take(&mut is_new));
            self.service_manager.feed_watchdog();
            let next_keep_alive = self.service_manager.watchdog().map(|period| now() + period);
            self.wait([None, None], [end, next_keep_alive].into_iter().flatten().min());
            let _ = self.descendants.reap(None);
            self.handle_requests(None);
        }
    }

    /// Ends the processes that the body has left running: by the stop signal, and by SIGKILL when `stop_timeout` is
    /// over. `is_last` says that the daemon ends afterwards.
    fn end_children(&mut self, is_last: bool) {
        let begin = now();
        let mut signalled = Vec::new();
        let mut is_new = true;
        loop {
            let _ = self.descendants.reap(None);
            self.report(&Situation::Ending { is_last }, mem::take(&mut is_new));
            let alive = self.descendants.list();
            let deadline = match self.stop {
                Stop::NotRequested => begin.checked_add(self.settings.stop_timeout),
                Stop::Requested { deadline } => deadline,
                Stop::Killing => Some(begin),
            };
            let is_over = deadline.is_some_and(|deadline| now() >= deadline);
            if alive.as_ref().is_some_and(Vec::is_empty)
                || deadline.is_some_and(|deadline| now() >= deadline.saturating_add(KILL_TIMEOUT))
            {
                return;
            }
            let Some(alive) = alive else {
                // Too many descriptors are open, for example. The next look may succeed.
                self.await_next_look(deadline, is_over);
                continue;
            };
            // Compared by PID alone, so that a process that has since become an orphan does not get the signal again.
            signalled.retain(|pid| alive.iter().any(|descendant| descendant.pid == *pid));
            for descendant in alive {
                if is_over {
                    self.descendants.signal(descendant, Signal::SIGKILL);
                } else if !signalled.contains(&descendant.pid)
                    && self.descendants.signal(descendant, self.settings.stop_signal.raw())
                {
                    signalled.push(descendant.pid);
                }
            }
            self.await_next_look(deadline, is_over);
        }
    }

    /// Sleeps until it is time to look at the processes below again.
    fn await_next_look(&mut self, deadline: Option<Duration>, is_over: bool) {
        self.service_manager.feed_watchdog();
        let next_look = now().checked_add(if is_over { LOOK / 10 } else { LOOK });
        self.wait([None, None], [deadline.filter(|_| !is_over), next_look].into_iter().flatten().min());
        self.handle_requests(None);
    }

    /// Ends before the body has been ready. When the launcher reads the reason, nothing of the daemon is left.
    fn end_unready(self, end: LifeEnd, launcher: Option<Readiness>) -> End {
        let stopped_by = self.stopped_by(end.failure.exit);
        drop(self.held);
        let LifeEnd { failure: Failure { exit, message, .. }, refusal } = end;
        let reason = match (message, exit) {
            (Some(message), _) => message,
            (None, Exit::Code(_)) => "returned before it was ready".into(),
            (None, _) => format!("{exit} before it was ready"),
        };
        End { exit, stopped_by, refusal, unready: launcher.map(|launcher| (launcher, reason)) }
    }

    /// Returns the signal that has ended a life after a request to stop.
    ///
    /// A shell expects SIGINT after Ctrl-C, even if the stop signal ended the body first. So the signal that requested
    /// the stop is returned in its place.
    fn stopped_by(&self, exit: Exit) -> Option<Signal> {
        let Exit::Signal(signal) = exit else { return None };
        let asked_by = self.asked_by?;
        let signal = Signal::try_from(signal).ok()?;
        if signal != asked_by && !self.requests.is_stop_of_body(signal as i32) {
            return None;
        }
        Some(if signal == self.settings.stop_signal.raw() { asked_by } else { signal })
    }

    /// Ends after the last life. A failure leaves its reason in the pidfile.
    fn end(self, failure: &Failure, has_failed: bool) -> End {
        if has_failed && !self.stop.is_requested() {
            self.held.leave(failure);
        }
        self.service_manager.stopping();
        End { exit: failure.exit, stopped_by: self.stopped_by(failure.exit), refusal: None, unready: None }
    }

    /// Writes a line about a request. In the foreground the caller knows of it.
    fn log_request(&self, notice: Notice<'_>) {
        if self.place == Place::Background {
            self.log(notice);
        }
    }

    /// Writes a line. A log whose reader does not read must not block the supervisor.
    fn log(&self, notice: Notice<'_>) {
        log::write_at_once(&self.settings.name, notice);
    }
}

/// The situation of a supervisor.
enum Situation<'a> {
    Living(&'a Life),
    /// The supervisor waits for the next life.
    Waiting {
        until: Option<Duration>,
    },
    /// The supervisor ends the children of the body.
    Ending {
        /// Whether there is no further life.
        is_last: bool,
    },
}

enum Forked {
    Supervisor(Life),
    Body(Ends),
}

/// The end of a life.
struct LifeEnd {
    failure: Failure,
    /// Why the body was not called.
    refusal: Option<Error>,
}

impl LifeEnd {
    /// Makes the end of a life that could not begin.
    fn of_fork(error: &io::Error) -> Self {
        let error = Error::io(format_args!("cannot fork the body"), error);
        let failure = Failure::now(Exit::Code(1), Some(error.text().to_owned()));
        Self { failure, refusal: Some(error) }
    }
}
