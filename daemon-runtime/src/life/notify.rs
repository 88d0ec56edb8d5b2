//! Notifying the service manager that runs a daemon in the foreground.
//!
//! The messages are those of [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
//!
//! Without the feature `systemd`, or without `$NOTIFY_SOCKET`, nothing is sent. Without the feature, but with the
//! variable, a line in the log says so: the manager would wait in vain.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(feature = "systemd")]
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::life::log;
use crate::life::notice::Notice;
use crate::sys::clock::now;
use crate::sys::mask::AllBlocked;

#[cfg(feature = "systemd")]
use socket::Socket;

/// The service manager, as far as a daemon notifies it.
#[derive(Default)]
pub(crate) struct ServiceManager {
    #[cfg(feature = "systemd")]
    socket: Mutex<Option<Arc<Socket>>>,
    /// The time between two signs of life, if there is a watchdog.
    watchdog: Option<Duration>,
    /// The time of the next sign of life, in nanoseconds of the monotonic clock.
    next_sign: AtomicU64,
    knows_of_stop: AtomicBool,
    awaits_reload: AtomicBool,
}

#[cfg(feature = "systemd")]
const READY: &[u8] = b"READY=1\n";
#[cfg(feature = "systemd")]
const ALIVE: &[u8] = b"WATCHDOG=1\n";

#[derive(Clone, Copy)]
enum News {
    Ready,
    Reloading,
    Alive,
}

impl ServiceManager {
    /// Opens the socket that the environment names.
    ///
    /// This must come before the signal handlers, because one of them sends, and before a chroot, in which the socket
    /// has no path.
    #[cfg(feature = "systemd")]
    pub(crate) fn find(name: &str) -> Self {
        /// The shortest time between two signs of life.
        const SHORTEST: Duration = Duration::from_millis(1);
        let socket = match Socket::connect() {
            Some(Ok(socket)) => socket,
            None => return Self::default(),
            Some(Err(error)) => {
                log::report(name, Notice::NotNotified { reason: &error });
                return Self::default();
            }
        };
        // A timeout of zero means that there is no watchdog (sd_watchdog_enabled(3)).
        let timeout = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero());
        let watchdog = timeout.map(|timeout| (timeout / 2).max(SHORTEST));
        Self { socket: Mutex::new(Some(Arc::new(socket))), watchdog, ..Self::default() }
    }

    /// Writes to the log that the service manager is not notified, if it waits for messages.
    #[cfg(not(feature = "systemd"))]
    pub(crate) fn find(name: &str) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_some_and(|address| !address.is_empty()) {
            let reason =
                "NOTIFY_SOCKET is set, but this program is built without the feature `systemd` of `daemonic`";
            log::report(name, Notice::NotNotified { reason: &reason });
        }
        Self::default()
    }

    /// Returns the time between two signs of life, half of what the watchdog tolerates.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Notifies that the daemon is ready, or that a reload is complete. A daemon that is stopping is neither.
    pub(crate) fn ready(&self) {
        self.awaits_reload.store(false, Ordering::Release);
        if !self.is_there() {
            return;
        }
        // Otherwise a stop could be notified between the check and the message.
        let _blocked = AllBlocked::new();
        if !self.knows_of_stop.load(Ordering::Acquire) {
            self.send(News::Ready);
        }
    }

    /// Notifies once that the daemon is stopping. Async-signal-safe.
    pub(crate) fn stopping(&self) {
        if !self.knows_of_stop.swap(true, Ordering::AcqRel) && !self.send_stopping() {
            // The manager's queue is full, for example. The end of `run` tries again.
            self.knows_of_stop.store(false, Ordering::Release);
        }
    }

    /// Notifies that the body is reloading. When the body returns to a wait, it notifies that the reload is complete.
    pub(crate) fn reloading(&self) {
        self.awaits_reload.store(true, Ordering::Release);
        self.send(News::Reloading);
    }

    /// Notifies of a reload that is complete at once.
    pub(crate) fn reloaded(&self) {
        self.reloading();
        self.ready();
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
}

/// The messages of a supervised body to the service manager, which takes them from the supervisor only.
pub(crate) struct Relay {
    #[cfg(feature = "systemd")]
    messages: std::os::unix::net::UnixDatagram,
    #[cfg(not(feature = "systemd"))]
    none: std::convert::Infallible,
}

#[cfg(feature = "systemd")]
impl ServiceManager {
    /// Makes the service manager of a supervised body, and the relay from which the supervisor reads. There is no relay
    /// without a service manager.
    pub(crate) fn relay(&self) -> std::io::Result<(Option<Relay>, Self)> {
        if !self.is_there() {
            return Ok((None, Self::default()));
        }
        let (messages, socket) = Socket::relayed()?;
        let socket = Mutex::new(Some(Arc::new(socket)));
        Ok((Some(Relay { messages }), Self { socket, watchdog: self.watchdog, ..Self::default() }))
    }

    /// Closes the socket, because the daemon in this process has ended.
    pub(crate) fn close(&self) {
        drop(self.socket.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn is_there(&self) -> bool {
        self.socket().is_some()
    }

    fn socket(&self) -> Option<Arc<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a message, if there is a socket. A failure is ignored, so that the daemon works on.
    fn send(&self, news: News) {
        let Some(socket) = self.socket() else { return };
        match news {
            News::Ready => socket.send(READY),
            News::Alive => socket.send(ALIVE),
            // The time of the crate sd-notify overflows where `time_t` has 32 bits.
            News::Reloading => {
                let time = now().as_micros();
                socket.send(format!("RELOADING=1\nMONOTONIC_USEC={time}\n").as_bytes());
            }
        }
    }

    /// Sends a message of the body, unless the daemon is stopping and the message says that it is ready.
    fn send_text(&self, message: &[u8]) {
        let is_late = self.knows_of_stop.load(Ordering::Acquire) && message.starts_with(b"READY=1");
        if let Some(socket) = self.socket().filter(|_| !is_late) {
            socket.send(message);
        }
    }

    /// Notifies that the daemon is stopping, and returns false if the caller must try again. Async-signal-safe.
    fn send_stopping(&self) -> bool {
        let Ok(socket) = self.socket.try_lock() else { return false };
        socket.as_deref().is_none_or(|socket| socket.send_at_once(b"STOPPING=1\n"))
    }
}

#[cfg(feature = "systemd")]
impl Relay {
    /// Passes on the messages that have arrived. The supervisor itself reports that the daemon is stopping.
    pub(crate) fn pass_on(&self, service_manager: &ServiceManager) {
        let mut buffer = [0; 256];
        for _ in 0..MOST_AT_ONCE {
            let Ok(length @ 1..) = self.messages.recv(&mut buffer) else { return };
            let message = &buffer[..length];
            if is_ours(message) {
                service_manager.send_text(message);
            }
        }
    }
}

/// The number of messages that the supervisor passes on before it attends to other things.
#[cfg(feature = "systemd")]
const MOST_AT_ONCE: usize = 16;

/// Returns whether a message is one that this crate sends for a body. The manager trusts the supervisor more than the
/// body, which may have another user, so nothing else is passed on.
#[cfg(feature = "systemd")]
fn is_ours(message: &[u8]) -> bool {
    let reloading =
        message.strip_prefix(b"RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix(b"\n"));
    [READY, ALIVE].contains(&message) || reloading.is_some_and(|time| time.iter().all(u8::is_ascii_digit))
}

#[cfg(feature = "systemd")]
impl std::os::fd::AsFd for Relay {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.messages.as_fd()
    }
}

#[cfg(not(feature = "systemd"))]
impl Relay {
    pub(crate) fn pass_on(&self, _: &ServiceManager) {
        match self.none {}
    }
}

#[cfg(not(feature = "systemd"))]
impl std::os::fd::AsFd for Relay {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self.none {}
    }
}

#[cfg(not(feature = "systemd"))]
#[allow(clippy::unused_self, reason = "no service manager without the feature")]
impl ServiceManager {
    #[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(crate) fn relay(&self) -> std::io::Result<(Option<Relay>, Self)> {
        Ok((None, Self::default()))
    }

    pub(crate) fn close(&self) {}

    fn is_there(&self) -> bool {
        false
    }

    fn send(&self, _: News) {}

    fn send_stopping(&self) -> bool {
        true
    }
}

#[cfg(feature = "systemd")]
mod socket {
    use std::env;
    use std::ffi::OsStr;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, send};

    use crate::sys::descriptor::above_floor;
    use crate::sys::file::FileId;
    use crate::sys::interrupted::uninterrupted;

    /// The longest time that a message waits for a manager that does not read.
    const LONGEST: Duration = Duration::from_millis(100);

    /// A socket that is connected to the service manager, or to the supervisor.
    pub(super) struct Socket {
        inner: UnixDatagram,
        /// The manager's address. None if this is connected to the supervisor.
        address: Option<SocketAddr>,
        id: FileId,
    }

    impl Socket {
        /// Opens the socket that the environment names, if it names one.
        pub(super) fn connect() -> Option<io::Result<Self>> {
            let address = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())?;
            Some(Self::open(&address))
        }

        fn open(address: &OsStr) -> io::Result<Self> {
            let inner = UnixDatagram::from(above_floor(OwnedFd::from(UnixDatagram::unbound()?))?);
            inner.set_write_timeout(Some(LONGEST))?;
            let (address, id) = (parse(address)?, FileId::of(&inner)?);
            // If the manager does not listen yet, the first message connects.
            let _ = inner.connect_addr(&address);
            Ok(Self { inner, address: Some(address), id })
        }

        /// Makes a socket of a supervised body, with the end from which the supervisor reads without waiting.
        pub(super) fn relayed() -> io::Result<(UnixDatagram, Self)> {
            let (reader, inner) = UnixDatagram::pair()?;
            let above = |socket: UnixDatagram| above_floor(OwnedFd::from(socket)).map(UnixDatagram::from);
            let (reader, inner) = (above(reader)?, above(inner)?);
            reader.set_nonblocking(true)?;
            inner.set_write_timeout(Some(LONGEST))?;
            let id = FileId::of(&inner)?;
            Ok((reader, Self { inner, address: None, id }))
        }

        /// Sends, and connects again to a manager that has restarted.
        pub(super) fn send(&self, message: &[u8]) {
            if self.id.is_open_at(&self.inner) && self.inner.send(message).is_err() {
                let Some(address) = &self.address else { return };
                let _ = self.inner.connect_addr(address).and_then(|()| self.inner.send(message));
            }
        }

        /// Sends without waiting, and returns false if the manager's queue is full. Async-signal-safe.
        pub(super) fn send_at_once(&self, message: &[u8]) -> bool {
            // A body that closes descriptors it does not know may have a file of its own under this number.
            if !self.id.is_open_at(&self.inner) {
                return true;
            }
            let sent = uninterrupted(|| send(self.inner.as_raw_fd(), message, MsgFlags::MSG_DONTWAIT));
            sent != Err(Errno::EAGAIN)
        }
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
