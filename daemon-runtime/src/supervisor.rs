//! The service manager that runs a daemon in the foreground, and what it asks to be told
//! ([sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html)).
//!
//! Without the feature `systemd`, or without `$NOTIFY_SOCKET`, there is none, and nothing is told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::now;

#[cfg(feature = "systemd")]
use sd_notify::NotifyState;

/// What a daemon tells its service manager.
#[derive(Default)]
pub(crate) struct Supervisor {
    listens: bool,
    /// How often it wants a sign of life, at half of what it would bear.
    pulse: Option<Duration>,
    /// When the next one is due, in nanoseconds of the monotonic clock.
    next_beat: AtomicU64,
    knows_of_stop: AtomicBool,
    awaits_reload: AtomicBool,
}

/// No pulse is faster.
#[cfg(feature = "systemd")]
const FASTEST: Duration = Duration::from_millis(1);

#[cfg_attr(not(feature = "systemd"), allow(clippy::unused_self, reason = "there is nobody to tell"))]
impl Supervisor {
    /// Finds the service manager by the environment.
    #[cfg(feature = "systemd")]
    pub(crate) fn find() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some();
        // Zero means none (sd_watchdog_enabled(3)).
        let longest = sd_notify::watchdog_enabled().filter(|longest| listens && !longest.is_zero());
        let pulse = longest.map(|longest| (longest / 2).max(FASTEST));
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

    /// The daemon lives: told once a pulse, however often this is called.
    pub(crate) fn beat(&self) {
        let Some(pulse) = self.pulse else { return };
        let nanos = |moment: Duration| u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX);
        if nanos(now()) >= self.next_beat.load(Ordering::Acquire) {
            self.next_beat.store(nanos(now() + pulse), Ordering::Release);
            #[cfg(feature = "systemd")]
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// Tells, if somebody listens; that nobody hears is no reason to stop working, nor to wait for long.
    #[cfg(feature = "systemd")]
    fn tell(&self, news: &[NotifyState<'_>]) {
        if self.listens {
            let _ = send(news);
        }
    }
}

/// Sends one message. `sd_notify::notify` waits for ever for a manager that doesn't read, and doesn't know the
/// addresses without a file, `@name`.
#[cfg(feature = "systemd")]
fn send(news: &[NotifyState<'_>]) -> std::io::Result<()> {
    use std::os::unix::net::UnixDatagram;

    const PATIENCE: Duration = Duration::from_millis(100);

    let message = news.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), &address()?).map(drop)
}

/// Reads the manager's address: a path, or on Linux a name without a file.
#[cfg(feature = "systemd")]
fn address() -> std::io::Result<std::os::unix::net::SocketAddr> {
    use std::os::unix::net::SocketAddr;

    let path = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(&path)
}
