//! The occasion of a run: its time has come, or a caller asks for one.

use crate::command::report::Ran;
use crate::life::body::Ending;
use crate::life::context::Context;
use crate::life::repetition::Repetition;
use crate::life::state::State;
use crate::lock::calls::{Call, Calls};

/// The reason why a run begins.
pub(crate) enum Occasion {
    Due,
    /// A caller waits for the end of this run.
    Called(Call),
}

/// What ends the wait for the time of a run.
pub(crate) enum Interruption {
    Stop,
    Call(Call),
}

impl Occasion {
    /// Reports to the caller, if there is one, that the run begins.
    pub(crate) fn begin(&self) {
        if let Self::Called(call) = self {
            call.begin();
        }
    }

    /// Answers the caller, if there is one.
    pub(crate) fn end(self, ending: &Ending) {
        if let Self::Called(call) = self {
            call.answer(Ran { code: ending.code, error: ending.message().map(Into::into) });
        }
    }
}

impl Context {
    /// Takes the oldest call for a run, if there is one.
    pub(crate) fn take_call(&self) -> Option<Call> {
        let Repetition { calls, record, .. } = &self.state().repetition;
        calls.as_ref().and_then(|calls| calls.take(&|| record.get()))
    }

    /// Returns what ends the wait for a run before its time, if anything does.
    pub(crate) fn interruption(&self) -> Option<Interruption> {
        match self.stop_requested() {
            Some(_) => Some(Interruption::Stop),
            None => self.take_call().map(Interruption::Call),
        }
    }
}

impl State {
    /// Attends to the calls, after a signal. Async-signal-safe.
    pub(crate) fn attend_to_calls(&self) {
        let Repetition { calls, record, .. } = &self.repetition;
        if calls.as_ref().is_some_and(|calls| calls.wake(&|| record.get())) {
            self.flag.wake();
        }
    }

    /// Refuses the calls that wait, and further ones.
    pub(crate) fn close_calls(&self) {
        self.repetition.calls.iter().for_each(Calls::close);
    }
}
