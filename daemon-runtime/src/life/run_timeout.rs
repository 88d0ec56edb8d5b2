//! The time limit of a run.
//!
//! A thread watches the runs of a daemon that has such a limit. When the time of a run is over, the run sees a stop. If
//! it has not ended `stop_timeout` later, the thread ends the daemon as failed.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::command::duration::Span;
use crate::life::body::Ending;
use crate::life::context::Context;
use crate::life::notice::Notice;
use crate::life::{instance, log};
use crate::lock::failure::Exit;
use crate::sys::clock::now;
use crate::sys::mask::AllBlocked;
use crate::sys::process::exit_now;

/// The exit code of a daemon whose run does not end.
const FAILURE: u8 = 1;

/// The limit of a daemon's runs, if it has one.
pub(crate) struct RunTimeout<'a> {
    context: &'a Context,
    watch: Option<Watch>,
    /// Whether the time of the last run was over before it ended.
    was_over: Cell<bool>,
}

struct Watch {
    limit: Duration,
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread watches.
struct Watched {
    phase: Mutex<Phase>,
    changed: Condvar,
}

/// A deadline is a moment of the monotonic clock, or none if the clock cannot reach it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    BetweenRuns,
    Running {
        until: Option<Duration>,
    },
    /// The time is over, and the run sees a stop.
    Ending {
        until: Option<Duration>,
    },
    /// There is no further run.
    Done,
}

impl<'a> RunTimeout<'a> {
    /// Begins to watch the runs, if there is a limit.
    pub(crate) fn begin(limit: Option<Duration>, context: &'a Context) -> Result<Self, Ending> {
        let Some(limit) = limit else { return Ok(Self { context, watch: None, was_over: Cell::new(false) }) };
        let watched = Arc::new(Watched { phase: Mutex::new(Phase::BetweenRuns), changed: Condvar::new() });
        let (shared, own) = (Arc::clone(&watched), context.clone());
        // The signals of the daemon are for the body's threads.
        let blocked = AllBlocked::new();
        let thread = thread::Builder::new().name("daemonic".into()).spawn(move || shared.watch(limit, &own));
        drop(blocked);
        let cannot = |error| format!("cannot make the thread for `run_timeout`: {error}");
        let thread = thread.map_err(|error| Ending::of_error(&cannot(error)))?;
        let watch = Watch { limit, watched, thread: Some(thread) };
        Ok(Self { context, watch: Some(watch), was_over: Cell::new(false) })
    }

    /// Returns whether the time of the last run was over before it ended. Such a run is not a success, even if it has
    /// ended without an error because the daemon stops.
    pub(crate) fn was_over(&self) -> bool {
        self.was_over.get()
    }

    /// Calls a run. If its time was over before it ended, and the daemon does not stop, the run has failed.
    pub(crate) fn limit(&self, run: impl FnOnce() -> Ending) -> Ending {
        let Some(Watch { limit, watched, .. }) = &self.watch else { return run() };
        watched.enter(Phase::Running { until: now().checked_add(*limit) });
        let ending = run();
        // A child that the body has forked has no such thread.
        if !self.context.is_of_this_process() {
            return ending;
        }
        let ended = now();
        let phase = watched.enter(Phase::BetweenRuns);
        let was_told = matches!(phase, Phase::Ending { .. });
        if was_told {
            self.context.run_has_ended();
        }
        // The thread may have got no processor time before the run ended, as after a SIGSTOP of the daemon.
        let is_late = matches!(phase, Phase::Running { until: Some(until) } if until <= ended);
        self.was_over.set(was_told || is_late);
        if self.was_over.get() && !self.context.is_stopping() { ending.timed_out(*limit) } else { ending }
    }
}

impl Drop for RunTimeout<'_> {
    fn drop(&mut self) {
        let Some(Watch { watched, thread, .. }) = &mut self.watch else { return };
        if self.context.is_of_this_process() {
            watched.enter(Phase::Done);
            let _ = thread.take().map(JoinHandle::join);
        }
    }
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a phase, and returns the one before.
    fn enter(&self, next: Phase) -> Phase {
        let before = std::mem::replace(&mut *self.lock(), next);
        self.changed.notify_one();
        before
    }

    /// Watches until there is no further run. Everything is done under the lock, so that it concerns the run that was
    /// seen.
    fn watch(&self, limit: Duration, context: &Context) {
        let mut phase = self.lock();
        loop {
            let until = match *phase {
                Phase::Done => return,
                Phase::BetweenRuns => None,
                Phase::Running { until } | Phase::Ending { until } => until,
            };
            let left = until.map(|until| until.saturating_sub(now()));
            if left == Some(Duration::ZERO) {
                *phase = over(*phase, limit, context);
                continue;
            }
            phase = match left {
                Some(left) => {
                    self.changed.wait_timeout(phase, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Acts when the time of a phase is over, and returns the next phase.
fn over(phase: Phase, limit: Duration, context: &Context) -> Phase {
    let stop_timeout = context.state().repetition.stop_timeout;
    if matches!(phase, Phase::Ending { .. }) {
        end_daemon(limit, stop_timeout, &context.state().name);
    }
    // The body may hold the lock on standard error, so no event and no other call that could wait for it.
    log::write_at_once(&context.state().name, Notice::EndingRun { limit });
    context.end_run();
    Phase::Ending { until: now().checked_add(stop_timeout) }
}

/// Ends the daemon as failed, while its body runs in another thread. So no exit handler is called, which might wait for
/// that thread.
fn end_daemon(limit: Duration, stop_timeout: Duration, name: &str) -> ! {
    let error = format!("timed out after {}, and did not end within {}", Span(limit), Span(stop_timeout));
    log::write_at_once(name, Notice::BodyFailed { error: &error });
    instance::end_all(&error, Some(Exit::Code(FAILURE)), Some(&error));
    exit_now(FAILURE)
}
