//! The events of a daemon, for a subscriber of [`tracing`](https://docs.rs/tracing).
//!
//! Every event has the target `daemonic`, and the fields `event`, a word for its kind, and `daemon`, the name.
//! Durations are numbers of seconds.

use crate::life::notice::Notice;

/// Emits the event of a notice. Returns false if this thread has no subscriber.
#[cfg(feature = "tracing")]
pub(crate) fn emit(name: &str, notice: Notice<'_>) -> bool {
    use tracing::subscriber::NoSubscriber;

    let has_subscriber = tracing::dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>());
    if has_subscriber {
        emit_to_subscriber(name, notice);
    }
    has_subscriber
}

/// Does nothing without the feature `tracing`, and returns false.
#[cfg(not(feature = "tracing"))]
pub(crate) fn emit(_: &str, _: Notice<'_>) -> bool {
    false
}

/// Returns whether a thread of this process has, or has had, a subscriber. Async-signal-safe.
pub(crate) fn has_subscriber() -> bool {
    #[cfg(feature = "tracing")]
    return tracing::dispatcher::has_been_set();
    #[cfg(not(feature = "tracing"))]
    false
}

#[cfg(feature = "tracing")]
fn emit_to_subscriber(name: &str, notice: Notice<'_>) {
    use tracing::{debug, error, info, warn};

    macro_rules! event {
        ($level:ident, $event:literal, { $($fields:tt)* }, $($text:tt)*) => {
            $level!(target: "daemonic", event = $event, daemon = name, $($fields)* $($text)*)
        };
    }
    match notice {
        Notice::BodyFailed { error } => event!(error, "body_failed", { error, }, "the body has failed"),
        Notice::RunFailed { run, error } => event!(error, "run_failed", { run, error, }, "a run has failed"),
        Notice::Retrying { attempt, attempts, pause, error } => {
            event!(warn, "retrying", { attempt, attempts, pause_seconds = pause.as_secs_f64(), error, }, "retrying a run");
        }
        Notice::EndingRun { limit } => {
            event!(warn, "ending_run", { limit_seconds = limit.as_secs_f64(), }, "{notice}");
        }
        Notice::RunsSkipped { count, behind, is_first: true } => {
            event!(warn, "runs_skipped", { count, behind_seconds = behind.as_secs_f64(), }, "{notice}");
        }
        Notice::RunsSkipped { count, behind, is_first: false } => {
            event!(debug, "runs_skipped", { count, behind_seconds = behind.as_secs_f64(), }, "{notice}");
        }
        Notice::WokeLate { late, skipped } => {
            event!(warn, "woke_late", { late_seconds = late.as_secs_f64(), skipped, }, "{notice}");
        }
        #[cfg(feature = "cron")]
        Notice::ClockSet { by, is_due } => {
            event!(info, "clock_set", { by_seconds = by, is_due, }, "{notice}");
        }
        Notice::CatchingUp { behind } => {
            event!(info, "catching_up", { behind_seconds = behind.as_secs_f64(), }, "{notice}");
        }
        Notice::StateIgnored { path, reason } => {
            event!(warn, "state_ignored", { path = %path, error = %reason, }, "ignoring the state file");
        }
        Notice::StateNotWritten { path, reason } => {
            event!(error, "state_not_written", { path = %path, error = %reason, }, "cannot write the state file");
        }
        Notice::RunLate { late } => {
            event!(debug, "run_late", { late_seconds = late.as_secs_f64(), }, "{notice}");
        }
        Notice::Panicked { error } => event!(error, "panicked", { error, }, "panicked"),
        Notice::Respawning { pause, reason } => {
            event!(warn, "respawning", { pause_seconds = pause.as_secs_f64(), error = %reason, }, "{notice}");
        }
        Notice::Respawned { respawns, reason } => {
            event!(info, "respawned", { respawns, error = reason, }, "respawned");
        }
        Notice::GivingUp { failures, reason } => {
            event!(error, "giving_up", { failures, error = %reason, }, "{notice}");
        }
        Notice::Killing { after } => {
            event!(warn, "killing", { after_seconds = after.as_secs_f64(), }, "{notice}");
        }
        Notice::Stopping { signal } => event!(info, "stopping", { signal = signal.as_str(), }, "stopping"),
        Notice::Reloading => event!(info, "reloading", {}, "reloading"),
        Notice::ReloadFailed { error } => {
            event!(error, "reload_failed", { error, }, "failed to reload");
        }
        Notice::CannotReopen { path, obstacle } => {
            event!(error, "cannot_reopen", { path = %path, error = %obstacle, }, "cannot reopen a log");
        }
        Notice::NotNotified { reason } => {
            event!(warn, "not_notified", { error = %reason, }, "the service manager is not notified");
        }
    }
}
