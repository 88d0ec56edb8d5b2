//! The attempts of a run that fails.

use std::time::Duration;

use crate::life::body::Ending;
use crate::life::context::Context;
use crate::life::log;
use crate::life::nested_runtime;
use crate::life::notice::Notice;
use crate::sys::clock::now;

/// How often a run that fails is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    /// The number of attempts after the first.
    pub(crate) retries: u32,
    /// The pause before the second attempt. Each later one is twice as long.
    pub(crate) delay: Duration,
}

/// The result of a run with all its attempts.
pub(crate) enum Attempts {
    /// The last attempt has ended so.
    Done(Ending),
    /// A stop was requested in the pause before another attempt.
    Stopped,
}

impl Retry {
    pub(crate) const DEFAULT: Self = Self { retries: 0, delay: Duration::from_secs(10) };

    /// Makes attempts until one succeeds or there is none left.
    pub(crate) fn attempt(&self, context: &Context, mut run: impl FnMut() -> Ending) -> Attempts {
        let attempts = self.retries.saturating_add(1);
        let mut pause = self.delay;
        for attempt in 2..=attempts {
            let ending = run();
            // No attempt follows a stop, so this one has the result of the run.
            if ending.code == 0 || nested_runtime::is_refused() || context.is_stopping() {
                return Attempts::Done(ending);
            }
            let name = &context.state().name;
            log::report(name, Notice::Retrying { attempt, attempts, pause, error: &ending.failure() });
            if context.wait_until(now().checked_add(pause)) {
                return Attempts::Stopped;
            }
            pause = pause.saturating_mul(2);
        }
        Attempts::Done(run())
    }
}
