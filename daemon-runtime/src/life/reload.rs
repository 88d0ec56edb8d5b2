//! A reload, from the signal that requests it to the answer of the body.
//!
//! The handler reopens the logs, and notifies the service manager that the reload begins. If the body waits for an
//! event, or is at an earlier reload, it will take this one, and completes it by an answer, or when it asks for its
//! next request. Otherwise the body may never ask for it, so the reload is complete. If the body takes it later all the
//! same, the reload begins again.

use std::cell::Cell;
use std::fmt::Display;
use std::time::Duration;

use crate::life::log;
use crate::life::notice::Notice;
use crate::life::notify::Sender;
use crate::life::state::State;
use crate::sys::clock::now;

thread_local! {
    /// The daemon of which this thread has last taken a reload, and when. Other threads may wait for a stop meanwhile.
    static TAKEN_HERE: Cell<Option<(*const State, Duration)>> = const { Cell::new(None) };
}

/// A wait of the body for an event. A reload that arrives meanwhile is the body's.
#[must_use = "the wait lasts as long as this value"]
pub(crate) struct Wait(&'static State);

impl Drop for Wait {
    fn drop(&mut self) {
        if self.0.reloads.ends_wait() {
            self.0.complete_reload(Sender::Thread);
        }
    }
}

impl State {
    /// Requests a reload, whose logs are reopened. Async-signal-safe.
    pub(crate) fn request_reload(&self) {
        self.service_manager.reloading(Sender::Handler);
        // Noted before the look at the body. A body that stops waiting does both in the other order, so one of the two
        // completes the reload.
        self.reloads.begin();
        if !self.reloads.belong_to_body() {
            self.complete_reload(Sender::Handler);
        }
        // A thread that this wakes may answer at once.
        self.flag.reload();
    }

    /// Notifies the service manager that the reload that it knows of is complete, if there is one. Async-signal-safe if
    /// the sender is a handler.
    fn complete_reload(&self, sender: Sender) {
        if self.reloads.complete() {
            self.service_manager.reloaded(sender);
        }
    }

    /// Returns whether a reload is requested. If so, the body takes it.
    pub(crate) fn take_reload(&self) -> bool {
        if !self.flag.take_reload() {
            return false;
        }
        // A child that the body has forked has a copy of the request, but is not the daemon.
        if self.is_of_this_process() {
            let at = now();
            self.reloads.take(at);
            TAKEN_HERE.set(Some((self, at)));
            if !self.reloads.is_begun() {
                // The handler has completed it, because the body did not wait.
                self.service_manager.reloading(Sender::Thread);
                self.reloads.begin();
            }
            self.show_reload();
        }
        true
    }

    /// Begins to wait for an event. A body that asks for one has finished the last reload.
    pub(crate) fn await_event(&'static self) -> Wait {
        // Begun first, so that a body that goes from one reload to the next misses none.
        self.reloads.begin_wait();
        let wait = Wait(self);
        self.body_asks();
        wait
    }

    /// Notes that the body asks for its next request, so it has finished the last reload.
    pub(crate) fn body_asks(&self) {
        if self.reloads.ask_first() && self.is_of_this_process() {
            self.announce_answers();
        }
        if self.flag.has_reload() {
            // The body takes the next one now, whose answer covers this one too.
            self.reloads.pass_on();
        } else {
            self.answer(Ok::<_, &str>(()));
        }
    }

    /// Notes that this thread waits for a stop. If this thread has taken the last reload, it has finished that.
    pub(crate) fn body_waits(&self) {
        let Some((state, at)) = TAKEN_HERE.get() else { return };
        if std::ptr::eq(state, self) && self.reloads.taken() == Some(at) {
            self.answer(Ok::<_, &str>(()));
        }
    }

    /// Reports the result of the reload that the body has taken, if there is one.
    pub(crate) fn answer<E: Display>(&self, result: Result<(), E>) {
        if !self.reloads.awaits_answer() || !self.is_of_this_process() {
            return;
        }
        let error = result.err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            log::report(&self.name, Notice::ReloadFailed { error });
        }
        // Another thread may have answered meanwhile.
        let Some(at) = self.reloads.answer() else { return };
        self.report_reload(at, error.as_deref());
        let takes_next = self.flag.has_reload() && self.reloads.belong_to_body();
        if !takes_next {
            self.complete_reload(Sender::Thread);
        }
    }
}
