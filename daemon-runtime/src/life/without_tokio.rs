//! The waits for async bodies, as they are without the feature `tokio`.

use crate::life::context::Context;

/// The value that a wait returns in place of a future. The compiler's message about `.await` contains this name.
#[derive(Debug)]
#[must_use = "this waits for nothing; enable the feature `tokio` of `daemonic`"]
pub struct EnableTheFeatureTokioOfDaemonic(());

#[allow(clippy::unused_self, reason = "the methods with the feature use it")]
impl Context {
    #[doc(hidden)]
    pub fn stopped(&self) -> EnableTheFeatureTokioOfDaemonic {
        EnableTheFeatureTokioOfDaemonic(())
    }

    #[doc(hidden)]
    pub fn event(&self) -> EnableTheFeatureTokioOfDaemonic {
        EnableTheFeatureTokioOfDaemonic(())
    }
}
