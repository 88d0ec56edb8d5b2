//! The service manager that runs a daemon in the foreground, and what it asks to be told
//! ([sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html)).
//!
//! Without the feature `systemd`, or without `$NOTIFY_SOCKET`, there is none, and nothing is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "systemd")]
use sd_notify::NotifyState;

/// What a daemon tells its service manager.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    listens: bool,
    /// How often it wants a sign of life, at half of what it would bear.
    pulse: Option<Duration>,
    knows_of_stop: AtomicBool,
    awaits_reload: AtomicBool,
}

#[cfg_attr(not(feature = "systemd"), allow(clippy::unused_self, reason = "there is nobody to tell"))]
impl Supervisor {
    /// Finds the service manager by the environment.
    #[cfg(feature = "systemd")]
    pub(crate) fn find() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some();
        let pulse = sd_notify::watchdog_enabled().map(|longest| longest / 2);
        let pulse = pulse.filter(|pulse| listens && !pulse.is_zero());
        Self { listens, pulse, ..Self::default() }
    }

    #[cfg(not(feature = "systemd"))]
    pub(crate) fn find() -> Self {
        Self::default()
    }

    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.pulse
    }

    /// The daemon is ready, or has done what a reload asks.
    pub(crate) fn ready(&self) {
        self.awaits_reload.store(false, Ordering::Release);
        #[cfg(feature = "systemd")]
        self.tell(&[NotifyState::Ready]);
    }

    /// The daemon has been asked to stop; told once.
    pub(crate) fn stopping(&self) {
        if self.listens && !self.knows_of_stop.swap(true, Ordering::AcqRel) {
            #[cfg(feature = "systemd")]
            self.tell(&[NotifyState::Stopping]);
        }
    }

    /// The body has been told to reload. That it has done so is told when it comes back.
    pub(crate) fn reloading(&self) {
        if self.listens {
            self.awaits_reload.store(true, Ordering::Release);
            #[cfg(feature = "systemd")]
            if let Ok(now) = NotifyState::monotonic_usec_now() {
                self.tell(&[NotifyState::Reloading, now]);
            }
        }
    }

    /// The body has come back, so a reload that it was told of is done.
    pub(crate) fn back(&self) {
        if self.awaits_reload.load(Ordering::Acquire) {
            self.ready();
        }
    }

    /// The daemon lives.
    pub(crate) fn beat(&self) {
        #[cfg(feature = "systemd")]
        if self.pulse.is_some() {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// Tells, if somebody listens; that nobody hears is no reason to stop working.
    #[cfg(feature = "systemd")]
    fn tell(&self, news: &[NotifyState<'_>]) {
        if self.listens {
            let _ = sd_notify::notify(news);
        }
    }
}
