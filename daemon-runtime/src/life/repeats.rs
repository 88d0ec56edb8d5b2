//! The modes of the daemons that repeat their bodies.

use crate::life::check::Checked;
use crate::life::repeat::Repeating;
use crate::life::respawning::Respawning;
use crate::life::setup::WithSetup;

/// The mode of a daemon that repeats its body, perhaps inside other modes.
///
/// Only such a daemon has the action [`once`](crate::Daemon::once).
#[diagnostic::on_unimplemented(
    message = "`once` is for a daemon that repeats its body",
    note = "call `every` or `cron` before it, or `run` for a body that is called once"
)]
pub trait Repeats: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

impl<W> sealed::Sealed for Repeating<W> {}
impl<W> Repeats for Repeating<W> {}
impl<S, F, W> sealed::Sealed for WithSetup<S, F, W> {}
impl<S, F, W> Repeats for WithSetup<S, F, W> {}
impl<M: Repeats, F> sealed::Sealed for Checked<M, F> {}
impl<M: Repeats, F> Repeats for Checked<M, F> {}
impl<M: Repeats> sealed::Sealed for Respawning<M> {}
impl<M: Repeats> Repeats for Respawning<M> {}
