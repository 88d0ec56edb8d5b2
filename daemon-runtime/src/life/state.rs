//! The state of a daemon that its body can see.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::command::error::Error;
use crate::command::report::{Phase, Reloaded, Report};
use crate::life::deferred::Deferred;
use crate::life::flag::Flag;
use crate::life::notify::ServiceManager;
use crate::life::readiness::{News, Readiness};
use crate::life::reloads::Reloads;
use crate::life::repetition::Repetition;
use crate::lock::channel::{Answers, Starting};
use crate::lock::held::HeldPidfile;
use crate::sys::process::ProcessId;

/// The state of a daemon that its body can see.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) owner: ProcessId,
    pub(crate) flag: Flag,
    pub(crate) reloads: Reloads,
    pub(crate) service_manager: ServiceManager,
    pub(crate) deferred: Deferred,
    pub(crate) repetition: Repetition,
    /// The process that waits for readiness: the supervisor if there is one, otherwise the launcher.
    readiness: Mutex<Option<Readiness>>,
    /// The supervisor, if there is one, which waits for the body's end.
    supervisor: Mutex<Option<Readiness>>,
    has_been_ready: AtomicBool,
    /// The mark on the pidfile that the daemon is not ready, until it is ready. A supervisor has a mark of its own.
    starting: Mutex<Option<Starting>>,
    /// The socket on which clients wait for the body's answers. A supervisor has one of its own.
    answers: Mutex<Option<Answers>>,
}

impl State {
    /// Makes the state of a daemon that is not ready. A supervised body holds no pidfile.
    pub(crate) fn new(
        name: &str,
        owner: ProcessId,
        flag: Flag,
        service_manager: ServiceManager,
        deferred: Deferred,
        held: Option<&HeldPidfile>,
        repetition: Repetition,
    ) -> Self {
        Self {
            name: name.to_owned(),
            owner,
            flag,
            reloads: Reloads::default(),
            service_manager,
            deferred,
            repetition,
            readiness: Mutex::new(None),
            supervisor: Mutex::new(None),
            has_been_ready: AtomicBool::new(false),
            starting: Mutex::new(held.map(Starting::new)),
            answers: Mutex::new(held.map(Answers::new)),
        }
    }

    /// Returns whether this process is the daemon, and not a child that the body has forked.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.owner == ProcessId::current()
    }

    /// Lets other processes wait until the daemon is ready. If this fails, they poll the lock.
    pub(crate) fn listen(&self) {
        if let Some(starting) = &mut *self.starting() {
            let _ = starting.listen();
        }
    }

    /// Sets the launcher that waits for a report.
    pub(crate) fn report_to(&self, launcher: Readiness) {
        *lock(&self.readiness) = Some(launcher);
    }

    /// Notes that no launcher waits for a report.
    pub(crate) fn released(&self) {
        self.has_been_ready.store(true, Ordering::Release);
    }

    /// Sets the supervisor that waits for the body's end.
    pub(crate) fn report_end_to(&self, supervisor: Readiness) {
        *lock(&self.supervisor) = Some(supervisor);
    }

    /// Reports the end of a supervised body, with the body's own reason. Returns false without a supervisor.
    pub(crate) fn ended(&self, reason: Option<&str>) -> bool {
        let supervisor = lock(&self.supervisor).take();
        if supervisor.is_some() {
            drop(self.take_readiness());
        }
        supervisor.map(|supervisor| supervisor.ended(reason)).is_some()
    }

    /// Reports that the daemon is ready.
    ///
    /// # Errors
    ///
    /// Fails if the launcher is gone. A cancelled start leaves no daemon.
    pub(crate) fn ready(&self) -> io::Result<()> {
        let mut starting = self.starting();
        // Once the launcher has returned, `status` must not report the daemon as starting.
        starting.iter().for_each(Starting::withdraw);
        // Locked until it is noted: the launcher may return at once, and another thread may end the daemon.
        let mut readiness = lock(&self.readiness);
        readiness.take().map_or(Ok(()), |readiness| readiness.ready(self.owner.pid()))?;
        self.has_been_ready.store(true, Ordering::Release);
        drop(readiness);
        starting.take().into_iter().for_each(Starting::announce);
        drop(starting);
        self.announce_answers();
        self.service_manager.ready();
        Ok(())
    }

    /// Shows the daemon as running, just before the call of a body that reports no readiness.
    pub(crate) fn running(&self) {
        if let Some(starting) = self.starting().take() {
            starting.withdraw();
            starting.announce();
        }
        self.announce_answers();
    }

    /// Lets other processes wait for the body's answers to reloads, if the body asks for reloads and the daemon is
    /// ready. If this fails, no process waits.
    pub(crate) fn announce_answers(&self) {
        if !self.reloads.has_asked() || self.starting().is_some() {
            return;
        }
        if let Some(answers) = &mut *lock(&self.answers) {
            let _ = answers.listen();
        }
        if let Some(supervisor) = &*lock(&self.supervisor) {
            supervisor.takes_reloads();
        }
    }

    /// Shows that the body is at a reload, so that clients wait for its answer.
    pub(crate) fn show_reload(&self) {
        if let Some(answers) = &*lock(&self.answers) {
            answers.show_reload();
        }
        if let Some(supervisor) = &*lock(&self.supervisor) {
            supervisor.reloading();
        }
    }

    /// Reports the result of a reload that the body has taken at this time of the monotonic clock.
    pub(crate) fn report_reload(&self, at: Duration, error: Option<&str>) {
        if let Some(answers) = &*lock(&self.answers) {
            let reloaded = Reloaded { at, error: error.map(Into::into) };
            let report =
                Report { takes_reloads: true, reloaded: Some(reloaded), ..Report::new(Phase::Running) };
            // Clients cannot be told apart. So if one has sent a request meanwhile, all get the next answer.
            answers.send(&report, || self.flag.has_reload());
            // Another thread may have taken the next one.
            if !self.reloads.awaits_answer() {
                answers.show_no_reload();
            }
        }
        if let Some(supervisor) = &*lock(&self.supervisor) {
            supervisor.reloaded(at, error);
        }
    }

    /// Closes the sockets, because the daemon's life in this process ends.
    pub(crate) fn close(&self) {
        drop(self.starting().take());
        drop(lock(&self.answers).take());
        self.close_calls();
    }

    fn starting(&self) -> MutexGuard<'_, Option<Starting>> {
        lock(&self.starting)
    }

    /// Reports that the daemon has failed, if a launcher still waits.
    pub(crate) fn failed(&self, reason: &str) {
        let supervisor = lock(&self.supervisor).take();
        match (self.take_readiness(), supervisor) {
            (Some(_), Some(supervisor)) => supervisor.ended(Some(reason)),
            (Some(readiness), None) => readiness.failed(Error::failed(format_args!("{reason}"))),
            (None, _) => {}
        }
    }

    /// Reports that the body will not be called.
    pub(crate) fn refused(&self, reason: &str) {
        drop(lock(&self.supervisor).take());
        self.failed(reason);
    }

    /// Returns whether the daemon, which is ending, has reported that it is ready, or its launcher has stopped waiting.
    /// A launcher that still waits will get a report.
    pub(crate) fn has_been_ready(&self) -> bool {
        // A child that the body has forked shares the channel, but is not the daemon.
        if self.is_of_this_process() {
            // Another thread may just be reporting that the daemon is ready.
            let mut readiness = lock(&self.readiness);
            let news = readiness.as_mut().map_or(News::None, Readiness::take_last_news);
            self.note(news, &mut readiness);
        }
        self.has_been_ready.load(Ordering::Acquire)
    }

    fn take_readiness(&self) -> Option<Readiness> {
        lock(&self.readiness).take()
    }

    /// Returns what the launcher has done since the last call, and forgets a launcher that has stopped waiting.
    /// Async-signal-safe.
    pub(crate) fn take_launcher_news(&self) -> News {
        let Ok(mut readiness) = self.readiness.try_lock() else { return News::None };
        let news = readiness.as_ref().map_or(News::None, Readiness::take_news);
        self.note(news, &mut readiness);
        news
    }

    /// Forgets a launcher that has stopped waiting.
    fn note(&self, news: News, readiness: &mut Option<Readiness>) {
        if news == News::Released {
            *readiness = None;
            self.released();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
