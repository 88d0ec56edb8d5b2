//! A reload, from the signal that requests it to the answer of the body.
//!
//! The handler reopens the logs, and notifies the service manager that the reload begins. If the body has never asked
//! for reloads, the reload is then complete. Otherwise the body takes it, and completes it by an answer, or when it asks
//! for its next request.

use std::cell::Cell;
use std::fmt::Display;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::life::log;
use crate::life::notice::Notice;
use crate::life::notify::Sender;
use crate::life::reload_count::Reloads;
use crate::life::state::State;
use crate::sys::clock::now;
use crate::sys::mask::AllBlocked;

thread_local! {
    /// The daemon of which this thread has taken the last reload. Other threads may wait for a stop meanwhile.
    static TAKEN_HERE: Cell<*const State> = const { Cell::new(ptr::null()) };
}

impl State {
    /// Requests a reload, whose logs are reopened. Async-signal-safe.
    pub(crate) fn request_reload(&self) {
        let Reloads { body_asks, requested, completed, .. } = &self.reloads;
        // The request is counted first, so that no answer to an earlier one completes it.
        let request = requested.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        self.service_manager.reloading(Sender::Handler);
        if !body_asks.load(Ordering::Acquire) {
            self.service_manager.reloaded(Sender::Handler);
            completed.store(request, Ordering::Release);
        }
        // A thread that this wakes may answer at once.
        self.flag.reload();
    }

    /// Returns whether a reload is requested. The caller's body takes it.
    pub(crate) fn take_reload(&self) -> bool {
        if !self.flag.take_reload() {
            return false;
        }
        let Reloads { requested, completed, taken, taken_at, awaits_answer, .. } = &self.reloads;
        let request = requested.load(Ordering::Acquire);
        taken_at.store(u64::try_from(now().as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
        taken.store(request, Ordering::Release);
        awaits_answer.store(true, Ordering::Release);
        TAKEN_HERE.set(self);
        // When the request arrived, the body had not asked for reloads yet.
        if completed.load(Ordering::Acquire) == request {
            self.service_manager.reloading(Sender::Thread);
        }
        true
    }

    /// Notes that the body asks for the next request, so it has done what the last one wanted.
    pub(crate) fn body_asks(&self) {
        if !self.reloads.body_asks.swap(true, Ordering::AcqRel) {
            self.announce_answers();
        }
        self.answer(Ok::<_, &str>(()));
    }

    /// Notes that this thread waits for a stop. If it has taken the last reload, it has done what that wanted.
    pub(crate) fn body_waits(&self) {
        if ptr::eq(TAKEN_HERE.get(), self) {
            self.answer(Ok::<_, &str>(()));
        }
    }

    /// Reports the result of the reload that the body has taken, if there is one.
    pub(crate) fn answer<E: Display>(&self, result: Result<(), E>) {
        let Reloads { requested, completed, taken, taken_at, awaits_answer, .. } = &self.reloads;
        if !awaits_answer.load(Ordering::Acquire) {
            return;
        }
        let error = result.err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            log::report(&self.name, Notice::ReloadFailed { error });
        }
        // Otherwise another request could come between the check and the messages.
        let blocked = AllBlocked::new();
        let request = taken.load(Ordering::Acquire);
        // With another request pending, the body's next answer counts, which covers this reload too.
        let is_last = request == requested.load(Ordering::Acquire);
        if is_last && awaits_answer.swap(false, Ordering::AcqRel) {
            TAKEN_HERE.set(ptr::null());
            completed.store(request, Ordering::Release);
            let at = Duration::from_nanos(taken_at.load(Ordering::Acquire));
            self.report_reload(at, error.as_deref());
            self.service_manager.reloaded(Sender::Thread);
        }
        drop(blocked);
    }
}
