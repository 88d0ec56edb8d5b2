//! The state of a daemon that its body can see.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::command::error::Error;
use crate::life::flag::Flag;
use crate::life::notify::ServiceManager;
use crate::life::readiness::{News, Readiness};
use crate::sys::process::ProcessId;

/// The state of a daemon that its body can see.
pub(crate) struct State {
    pub(crate) owner: ProcessId,
    pub(crate) flag: Flag,
    pub(crate) service_manager: ServiceManager,
    /// The launcher that waits, if there is one.
    readiness: Mutex<Option<Readiness>>,
    has_been_ready: AtomicBool,
}

impl State {
    pub(crate) fn new(owner: ProcessId, flag: Flag, service_manager: ServiceManager) -> Self {
        let has_been_ready = AtomicBool::new(false);
        Self { owner, flag, service_manager, readiness: Mutex::new(None), has_been_ready }
    }

    /// Sets the launcher that waits for a report.
    pub(crate) fn report_to(&self, launcher: Readiness) {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner) = Some(launcher);
    }

    /// Reports that the daemon is ready.
    ///
    /// # Errors
    ///
    /// Fails if the launcher is gone. A cancelled start leaves no daemon.
    pub(crate) fn ready(&self) -> io::Result<()> {
        self.take_readiness().map_or(Ok(()), |readiness| readiness.ready(self.owner.pid()))?;
        self.has_been_ready.store(true, Ordering::Release);
        self.service_manager.ready();
        Ok(())
    }

    /// Reports that the daemon has failed, if a launcher still waits.
    pub(crate) fn failed(&self, reason: &str) {
        if let Some(readiness) = self.take_readiness() {
            readiness.failed(Error::failed(format_args!("{reason}")));
        }
    }

    /// Returns whether the daemon has reported that it is ready, or its launcher has stopped waiting.
    pub(crate) fn has_been_ready(&self) -> bool {
        // The launcher may have stopped waiting just before, while the signal about it was blocked.
        let _ = self.take_launcher_news();
        self.has_been_ready.load(Ordering::Acquire)
    }

    fn take_readiness(&self) -> Option<Readiness> {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns what the launcher has done since the last call, and forgets a launcher that has stopped waiting.
    /// Async-signal-safe.
    pub(crate) fn take_launcher_news(&self) -> News {
        let Ok(mut readiness) = self.readiness.try_lock() else { return News::None };
        let news = readiness.as_ref().map_or(News::None, Readiness::take_news);
        if news == News::Released {
            *readiness = None;
            self.has_been_ready.store(true, Ordering::Release);
        }
        news
    }
}
