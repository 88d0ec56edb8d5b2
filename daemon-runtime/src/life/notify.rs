//! Notifying the service manager that runs a daemon in the foreground.
//!
//! The messages are those of [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
//!
//! Without the feature `systemd`, or without `$NOTIFY_SOCKET`, nothing is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::clock::now;

#[cfg(feature = "systemd")]
use socket::Socket;

/// The service manager, as far as a daemon notifies it.
#[derive(Default)]
pub(crate) struct ServiceManager {
    #[cfg(feature = "systemd")]
    socket: Option<Socket>,
    /// The time between two signs of life, if there is a watchdog.
    watchdog: Option<Duration>,
    /// The time of the next sign of life, in nanoseconds of the monotonic clock.
    next_sign: AtomicU64,
    knows_of_stop: AtomicBool,
    awaits_reload: AtomicBool,
}

#[derive(Clone, Copy)]
enum News {
    Ready,
    Reloading,
    Stopping,
    Alive,
}

impl ServiceManager {
    /// Opens the socket that the environment names.
    ///
    /// This comes before the signal handlers, one of which sends, and before a chroot, in which the socket has no path.
    #[cfg(feature = "systemd")]
    pub(crate) fn find() -> Self {
        /// The shortest time between two signs of life.
        const SHORTEST: Duration = Duration::from_millis(1);
        let Some(socket) = Socket::connect() else { return Self::default() };
        // A timeout of zero means that there is no watchdog (sd_watchdog_enabled(3)).
        let timeout = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero());
        let watchdog = timeout.map(|timeout| (timeout / 2).max(SHORTEST));
        Self { socket: Some(socket), watchdog, ..Self::default() }
    }

    #[cfg(not(feature = "systemd"))]
    pub(crate) fn find() -> Self {
        Self::default()
    }

    /// Returns the time between two signs of life, half of what the watchdog tolerates.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Notifies that the daemon is ready, or that a reload is complete. A daemon that is stopping is neither.
    pub(crate) fn ready(&self) {
        self.awaits_reload.store(false, Ordering::Release);
        if !self.knows_of_stop.load(Ordering::Acquire) {
            self.send(News::Ready);
        }
    }

    /// Notifies once that the daemon is stopping. Async-signal-safe.
    pub(crate) fn stopping(&self) {
        if !self.knows_of_stop.swap(true, Ordering::AcqRel) {
            self.send(News::Stopping);
        }
    }

    /// Notifies that the body is reloading. The end of that is notified when the body returns to a wait.
    pub(crate) fn reloading(&self) {
        self.awaits_reload.store(true, Ordering::Release);
        self.send(News::Reloading);
    }

    /// Notifies that a reload is complete, if there was one, because the body has returned to a wait.
    pub(crate) fn body_waits(&self) {
        if self.awaits_reload.load(Ordering::Acquire) {
            self.ready();
        }
    }

    /// Feeds the watchdog, if it is time.
    pub(crate) fn feed_watchdog(&self) {
        let Some(period) = self.watchdog else { return };
        let nanos = |moment: Duration| u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX);
        if nanos(now()) >= self.next_sign.load(Ordering::Acquire) {
            self.next_sign.store(nanos(now() + period), Ordering::Release);
            self.send(News::Alive);
        }
    }

    /// Sends, if there is a socket. A manager that does not listen does not stop the daemon's work.
    #[cfg(feature = "systemd")]
    fn send(&self, news: News) {
        let Some(socket) = &self.socket else { return };
        match news {
            News::Ready => socket.send(b"READY=1\n"),
            News::Alive => socket.send(b"WATCHDOG=1\n"),
            News::Stopping => socket.send_from_handler(b"STOPPING=1\n"),
            // The time of the crate sd-notify overflows where `time_t` has 32 bits.
            News::Reloading => {
                let time = now().as_micros();
                socket.send(format!("RELOADING=1\nMONOTONIC_USEC={time}\n").as_bytes());
            }
        }
    }

    #[cfg(not(feature = "systemd"))]
    #[allow(clippy::unused_self, reason = "no service manager without the feature")]
    fn send(&self, _: News) {}
}

#[cfg(feature = "systemd")]
mod socket {
    use std::env;
    use std::ffi::OsStr;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use nix::sys::socket::{MsgFlags, send};

    use crate::sys::descriptor::above_floor;
    use crate::sys::file::FileId;
    use crate::sys::interrupted::retry;

    /// The longest time that a message waits for a manager that does not read.
    const LONGEST: Duration = Duration::from_millis(100);

    /// A socket that is connected to the service manager.
    pub(super) struct Socket {
        socket: UnixDatagram,
        id: FileId,
    }

    impl Socket {
        pub(super) fn connect() -> Option<Self> {
            let address = env::var_os("NOTIFY_SOCKET")?;
            let socket = open(&address).ok()?;
            let id = FileId::of(&socket).ok()?;
            Some(Self { socket, id })
        }

        pub(super) fn send(&self, message: &[u8]) {
            if self.id.is_open_at(&self.socket) {
                let _ = self.socket.send(message);
            }
        }

        /// Sends without waiting. Async-signal-safe.
        pub(super) fn send_from_handler(&self, message: &[u8]) {
            // A body that closes descriptors it does not know may have a file of its own under this number.
            if self.id.is_open_at(&self.socket) {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                let _ = retry(|| send(self.socket.as_raw_fd(), message, flags));
            }
        }
    }

    fn open(address: &OsStr) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::from(above_floor(OwnedFd::from(UnixDatagram::unbound()?))?);
        socket.set_write_timeout(Some(LONGEST))?;
        socket.connect_addr(&parse(address)?)?;
        Ok(socket)
    }

    /// Reads the manager's address: a path, or on Linux `@` with a name that has no file.
    fn parse(address: &OsStr) -> io::Result<SocketAddr> {
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(address).strip_prefix(b"@") {
            return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
        }
        SocketAddr::from_pathname(address)
    }
}
