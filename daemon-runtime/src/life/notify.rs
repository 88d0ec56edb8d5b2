//! Notifying the service manager that runs a daemon in the foreground.
//!
//! The messages are those of [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
//!
//! Without the feature `systemd`, or without `$NOTIFY_SOCKET`, nothing is sent. Without the feature, but with the
//! variable, a line in the log says so: the manager waits for messages that will not come.

use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(feature = "systemd")]
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::command::escaped::Escaped;
use crate::life::log;
use crate::life::notice::Notice;
use crate::sys::clock::now;
use crate::sys::mask::AllBlocked;

#[cfg(feature = "systemd")]
use socket::Socket;

/// The service manager, as far as a daemon notifies it.
#[derive(Default)]
pub(crate) struct ServiceManager {
    /// Every sender takes the lock for reading, so that a handler is refused only while the socket is being closed.
    #[cfg(feature = "systemd")]
    socket: RwLock<Option<Socket>>,
    /// The time between two keep-alive messages, if there is a watchdog.
    watchdog: Option<Duration>,
    /// The time of the next keep-alive message, in nanoseconds of the monotonic clock.
    next_keep_alive: AtomicU64,
    /// The longest time that a stop takes.
    longest_stop: Duration,
    is_ready: AtomicBool,
    /// Whether a reload has come before the daemon was ready.
    has_early_reload: AtomicBool,
    /// Whether a supervised body has yet to report that a reload is complete.
    awaits_body: AtomicBool,
    knows_of_stop: AtomicBool,
}

const READY: &[u8] = b"READY=1\n";
const ALIVE: &[u8] = b"WATCHDOG=1\n";

/// The longest status that is sent, in bytes.
const LONGEST_STATUS: usize = 1024;

/// The code that sends a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A signal handler, which may not wait.
    Handler,
    Thread,
}

impl ServiceManager {
    /// Opens the socket that the environment names. A stop takes `longest_stop` at most.
    ///
    /// This must come before the signal handlers, because they send, and before a chroot, in which the socket has no
    /// path.
    #[cfg(feature = "systemd")]
    pub(crate) fn find(name: &str, longest_stop: Duration) -> Self {
        /// The shortest time between two keep-alive messages.
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
        Self { longest_stop, ..Self::with(socket, watchdog) }
    }

    /// Writes to the log that the service manager is not notified, if it waits for messages.
    #[cfg(not(feature = "systemd"))]
    pub(crate) fn find(name: &str, _longest_stop: Duration) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_some_and(|address| !address.is_empty()) {
            let reason =
                "NOTIFY_SOCKET is set, but this program is built without the feature `systemd` of `daemonic`";
            log::report(name, Notice::NotNotified { reason: &reason });
        }
        Self::default()
    }

    /// Returns the time between two keep-alive messages, half of what the watchdog tolerates.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Notifies that the daemon is ready, unless it is stopping.
    pub(crate) fn ready(&self) {
        if !self.is_there() {
            return;
        }
        // Otherwise a handler could send a message between the check and this one.
        let _blocked = AllBlocked::new();
        self.is_ready.store(true, Ordering::Release);
        if self.has_early_reload.swap(false, Ordering::AcqRel) {
            self.reloading(Sender::Thread);
        }
        self.reloaded(Sender::Thread);
    }

    /// Notifies that a reload begins. Before the daemon is ready, this notes the reload for later. Async-signal-safe if
    /// the sender is a handler.
    pub(crate) fn reloading(&self, sender: Sender) {
        if !self.is_ready.load(Ordering::Acquire) {
            self.has_early_reload.store(true, Ordering::Release);
        } else if !self.knows_of_stop.load(Ordering::Acquire) {
            // The manager ignores a reload whose time is before its request, so the time is that of the message.
            let time = now().as_micros();
            self.send(sender, Message::new(format_args!("RELOADING=1\nMONOTONIC_USEC={time}\n")).as_bytes());
        }
    }

    /// Notifies that a reload is complete. A daemon that is stopping, or not ready yet, sends nothing.
    /// Async-signal-safe if the sender is a handler.
    pub(crate) fn reloaded(&self, sender: Sender) {
        if self.is_ready.load(Ordering::Acquire) && !self.knows_of_stop.load(Ordering::Acquire) {
            self.send(sender, READY);
        }
    }

    /// Notifies once that the daemon is stopping, and how long that takes at most. Async-signal-safe.
    pub(crate) fn stopping(&self) {
        if self.knows_of_stop.swap(true, Ordering::AcqRel) {
            return;
        }
        let time = u64::try_from(self.longest_stop.as_micros()).unwrap_or(u64::MAX);
        let message = Message::new(format_args!("STOPPING=1\nEXTEND_TIMEOUT_USEC={time}\n"));
        if !self.send(Sender::Handler, message.as_bytes()) {
            // The manager's queue is full, for example. The end of `run` tries again.
            self.knows_of_stop.store(false, Ordering::Release);
        }
    }

    /// Sends a text that describes the daemon's state.
    pub(crate) fn status(&self, text: &dyn Display) {
        if self.is_there() {
            let mut status = Escaped(&text.to_string()).to_string();
            let end = (0..=LONGEST_STATUS.min(status.len())).rev().find(|end| status.is_char_boundary(*end));
            status.truncate(end.unwrap_or(0));
            self.send(Sender::Thread, format!("STATUS={status}\n").as_bytes());
        }
    }

    /// Notes that a supervised body has been asked to reload.
    pub(crate) fn await_body(&self) {
        self.awaits_body.store(true, Ordering::Release);
    }

    /// Notifies that the body's reload is complete, if there was one, because the body has ended.
    pub(crate) fn body_has_ended(&self) {
        if self.awaits_body.swap(false, Ordering::AcqRel) {
            self.reloaded_without_body();
        }
    }

    /// Notifies of a reload that is complete at once.
    pub(crate) fn reloaded_without_body(&self) {
        self.reloading(Sender::Thread);
        self.reloaded(Sender::Thread);
    }

    /// Feeds the watchdog, if it is time.
    pub(crate) fn feed_watchdog(&self) {
        let Some(period) = self.watchdog else { return };
        let nanos = |moment: Duration| u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX);
        if nanos(now()) >= self.next_keep_alive.load(Ordering::Acquire) {
            self.next_keep_alive.store(nanos(now() + period), Ordering::Release);
            self.send(Sender::Thread, ALIVE);
        }
    }
}

/// A message in a buffer of fixed size, which a handler can write. A longer one is cut off.
struct Message {
    bytes: [u8; 80],
    length: usize,
}

impl Message {
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut message = Self { bytes: [0; 80], length: 0 };
        let _ = message.write_fmt(text);
        message
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
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
        Ok((Some(Relay { messages }), Self::with(socket, self.watchdog)))
    }

    fn with(socket: Socket, watchdog: Option<Duration>) -> Self {
        let manager = Self { socket: RwLock::new(Some(socket)), watchdog, ..Self::default() };
        // On some systems the first use of a lock allocates, which must not happen in a handler.
        let _ = manager.is_there();
        manager
    }

    /// Closes the socket, because the daemon in this process has ended.
    pub(crate) fn close(&self) {
        drop(self.socket.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn is_there(&self) -> bool {
        self.socket.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sends a message, if there is a socket. Returns false if the caller may try again. Async-signal-safe if the
    /// sender is a handler.
    fn send(&self, sender: Sender, message: &[u8]) -> bool {
        let socket = match sender {
            Sender::Handler => self.socket.try_read().ok(),
            Sender::Thread => Some(self.socket.read().unwrap_or_else(PoisonError::into_inner)),
        };
        socket.is_some_and(|socket| socket.as_ref().is_none_or(|socket| socket.send(sender, message)))
    }

    /// Sends a message of the body, unless the daemon is stopping and the message says that it is ready.
    fn pass_on(&self, message: &[u8]) {
        if message == READY {
            self.awaits_body.store(false, Ordering::Release);
            self.is_ready.store(true, Ordering::Release);
            return self.reloaded(Sender::Thread);
        }
        if message.starts_with(b"RELOADING=1") {
            self.await_body();
        }
        self.send(Sender::Thread, message);
    }
}

#[cfg(feature = "systemd")]
impl Relay {
    /// Passes on the messages that have arrived. The supervisor itself reports that the daemon is stopping.
    pub(crate) fn pass_on(&self, service_manager: &ServiceManager) {
        let mut buffer = [0; LONGEST_STATUS + 64];
        for _ in 0..MOST_AT_ONCE {
            let Ok(length @ 1..) = self.messages.recv(&mut buffer) else { return };
            let message = &buffer[..length];
            if is_ours(message) {
                service_manager.pass_on(message);
            }
        }
    }
}

/// The number of messages that the supervisor passes on before it attends to other things.
#[cfg(feature = "systemd")]
const MOST_AT_ONCE: usize = 16;

/// Returns whether this crate sends such a message for a body. Other messages are dropped: the manager trusts the
/// supervisor, and the body may have another user.
#[cfg(feature = "systemd")]
fn is_ours(message: &[u8]) -> bool {
    let value = |prefix: &[u8]| message.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(b"\n"));
    let is_time = |time: &[u8]| time.iter().all(u8::is_ascii_digit);
    [READY, ALIVE].contains(&message)
        || value(b"RELOADING=1\nMONOTONIC_USEC=").is_some_and(is_time)
        || value(b"STATUS=").is_some_and(|status| !status.contains(&b'\n'))
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

    fn send(&self, _: Sender, _: &[u8]) -> bool {
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

    use super::Sender;
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

        /// Sends, and connects again to a manager that has restarted. A handler does not wait. Returns false if the
        /// manager's queue is full. Async-signal-safe if the sender is a handler.
        pub(super) fn send(&self, sender: Sender, message: &[u8]) -> bool {
            // A body that closes descriptors it does not know may have a file of its own under this number.
            if !self.id.is_open_at(&self.inner) {
                return true;
            }
            let flags = match sender {
                Sender::Handler => MsgFlags::MSG_DONTWAIT,
                Sender::Thread => MsgFlags::empty(),
            };
            let attempt = || uninterrupted(|| send(self.inner.as_raw_fd(), message, flags));
            let sent = match (attempt(), &self.address) {
                (Err(errno), Some(address)) if errno != Errno::EAGAIN => {
                    if self.inner.connect_addr(address).is_ok() { attempt() } else { Err(errno) }
                }
                (result, _) => result,
            };
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
