//! Making up for a run that was due while the daemon or the machine was down.

use std::time::Duration;

use crate::life::context::Context;
use crate::life::last_success::{LastSuccess, StateFile};
use crate::life::log;
use crate::life::notice::Notice;
use crate::sys::clock::since_1970;

/// Returns the last success that the state file has, if this daemon makes up for missed runs. Reports a file that
/// cannot be used.
pub(crate) fn last_success(context: &Context) -> Option<LastSuccess> {
    // A single run is due at once anyway.
    let file = context.state_file().filter(|_| !context.state().repetition.is_single_run)?;
    read(file, context, since_1970())
}

fn read(file: &StateFile, context: &Context, now: Duration) -> Option<LastSuccess> {
    file.read(now).unwrap_or_else(|reason| {
        let (name, path) = (&context.state().name, file.path());
        log::report(name, Notice::StateIgnored { path, reason: &reason });
        None
    })
}

/// Keeps the time of a run that has just succeeded, if the daemon has a file for it. Given the time now, `due` returns
/// when this run was due. If this run was not a due one, `due` returns when the last due run was.
pub(crate) fn keep_success(context: &Context, due: impl FnOnce(Duration) -> Option<Duration>) {
    let Some(file) = context.state_file() else { return };
    let now = since_1970();
    let due = if context.state().repetition.is_single_run {
        // A single run does not move the daemon's due times.
        read(file, context, now).map(|last| last.due)
    } else {
        due(now)
    };
    let last = LastSuccess { due: due.map_or(now, |due| due.min(now)), ended: now };
    if let Err(error) = file.write(last) {
        let (name, path) = (&context.state().name, file.path());
        log::report(name, Notice::StateNotWritten { path, reason: &error });
    }
}

impl Context {
    fn state_file(&self) -> Option<&StateFile> {
        self.state().repetition.state_file.as_deref().filter(|_| self.is_of_this_process())
    }
}
