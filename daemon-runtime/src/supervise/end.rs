//! The end of a supervisor.

use nix::sys::signal::Signal;

use crate::command::error::{Error, Result};
use crate::command::exit::Exit;
use crate::life::instance::end_by;
use crate::life::readiness::Readiness;

/// The end of a supervisor.
pub(crate) struct End {
    /// How the last life has ended.
    pub(super) exit: Exit,
    /// The signal that has ended the last life, after a request to stop.
    pub(super) stopped_by: Option<Signal>,
    /// Why the body was not called.
    pub(super) refusal: Option<Error>,
    /// The launcher that still waits, with the reason why the body was never ready.
    pub(super) unready: Option<(Readiness, String)>,
}

impl End {
    /// Returns the exit code of the supervisor: the body's, or that of a shell for a signal.
    pub(crate) fn code(&self) -> u8 {
        match self.exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + u8::try_from(signal).unwrap_or(0),
            Exit::OutOfMemory => 128 + Signal::SIGKILL as u8,
        }
    }

    /// Returns the report for the launcher. The pidfile is already gone.
    pub(crate) fn into_report(self) -> Option<(Readiness, Error)> {
        let (launcher, reason) = self.unready?;
        Some((launcher, self.refusal.unwrap_or_else(|| Error::failed(format_args!("{reason}")))))
    }

    /// Returns the exit code in the foreground. If a stop has ended a body without a `Context`, its signal ends this
    /// process too.
    pub(crate) fn into_code(self) -> Result<u8> {
        if let Some(signal) = self.stopped_by {
            end_by(signal);
        }
        let code = self.code();
        self.refusal.map_or(Ok(code), Err)
    }
}
