//! What a repeat loop shares with the handlers of its daemon.

use std::sync::Arc;
use std::time::Duration;

use crate::life::last_success::StateFile;
use crate::life::run_record::RunRecord;
use crate::lock::calls::Calls;

/// The part of a daemon's repetition that more than the repeat loop uses.
pub(crate) struct Repetition {
    /// The time that a run has to return after its time limit.
    pub(crate) stop_timeout: Duration,
    /// The calls that the daemon takes. None if its body does not repeat.
    pub(crate) calls: Option<Calls>,
    pub(crate) record: RunRecord,
    /// Where the time of the last success is kept. None without `catch_up`.
    pub(crate) state_file: Option<Arc<StateFile>>,
    /// Whether there is one run only, at once, whatever the keys say.
    pub(crate) is_single_run: bool,
}
