//! The daemon's side of the control channel, by which others learn its state.
//!
//! The channel is a socket whose name the kernel chooses, so it has no path: it works inside a chroot, for every user,
//! and leaves nothing behind. A lock on the pidfile publishes its number.

use std::io;

use crate::lock::bytes::Published;
use crate::lock::held::{HeldPidfile, PublishingFile};

#[cfg(target_os = "linux")]
pub(crate) use linux::Channel;
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::Channel;

#[cfg(target_os = "linux")]
use linux::Listener;
#[cfg(not(target_os = "linux"))]
use unknown::Listener;

/// The mark of a daemon that is not ready. Dropping it changes nothing: the end of the process removes the mark.
pub(crate) struct Starting {
    file: PublishingFile,
    listener: Option<Listener>,
}

impl Starting {
    /// Takes over the mark that a pidfile has got together with its lock.
    pub(crate) fn new(held: &HeldPidfile) -> Self {
        Self { file: held.file(), listener: None }
    }

    /// Opens a socket on which others can wait until the daemon is ready. Without one, they look again and again.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        let (listener, number) = Listener::open()?;
        self.file.publish(Published::Starting(number))?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Removes the mark.
    pub(crate) fn withdraw(&self) {
        self.file.withdraw();
    }

    /// Tells all that wait that the daemon is ready. The mark must be withdrawn.
    pub(crate) fn announce(self) {
        if let Some(listener) = self.listener {
            listener.announce();
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::VecDeque;
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::UnixListener;
    use std::thread::sleep;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sys::socket::{
        AddressFamily, Backlog, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, accept4, bind, listen,
        send, shutdown, socket,
    };

    use crate::command::report::{Line, Phase, Report};
    use crate::lock::bytes::Published;
    use crate::lock::held::HeldPidfile;
    use crate::sys::descriptor::{above_floor, is_closed};
    use crate::sys::file::FileId;
    use crate::sys::interrupted::uninterrupted;

    /// The number of connections that a supervisor keeps.
    const MOST: usize = 256;

    /// A socket that accepts connections, and does not block.
    pub(super) struct Listener {
        socket: OwnedFd,
        id: FileId,
    }

    impl Listener {
        /// Opens a socket, and returns it with the number that is its name.
        pub(super) fn open() -> io::Result<(Self, u32)> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = above_floor(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)?;
            // A name of no length makes the kernel choose one (unix(7)).
            bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
            // Only now could a process connect, so the number must not be published before.
            listen(&socket, Backlog::MAXCONN)?;
            let id = FileId::of(&socket)?;
            let socket = UnixListener::from(socket);
            let number = socket.local_addr()?.as_abstract_name().and_then(number);
            let number = number.ok_or(io::ErrorKind::InvalidData)?;
            Ok((Self { socket: socket.into(), id }, number))
        }

        /// Reports to all that have connected that the daemon is ready, and refuses further connections.
        pub(super) fn announce(self) {
            // A body that closes descriptors it does not know may have a socket of its own under this number.
            if !self.id.is_open_at(&self.socket) {
                std::mem::forget(self.socket);
                return;
            }
            // A child of the body may have the socket open too. Connections that wait can still be accepted.
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
            let line = Report::new(Phase::Running).encode();
            while let Ok(connection) = self.accept() {
                send_line(&connection, &line);
            }
        }

        fn accept(&self) -> nix::Result<OwnedFd> {
            loop {
                match accept4(&self.socket, SockFlag::SOCK_CLOEXEC) {
                    // The first connection of the queue was given up.
                    Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                    accepted => return accepted,
                }
            }
        }
    }

    /// Reads the name that the kernel gives: five hexadecimal digits.
    pub(super) fn number(name: &[u8]) -> Option<u32> {
        let is_number = name.len() == 5 && name.iter().all(u8::is_ascii_hexdigit);
        u32::from_str_radix(std::str::from_utf8(name).ok().filter(|_| is_number)?, 16).ok()
    }

    /// Sends a line without waiting. Returns false for a process that is gone or does not read.
    fn send_line(connection: &OwnedFd, line: &Line) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let line = line.as_bytes();
        uninterrupted(|| send(connection.as_raw_fd(), line, flags)) == Ok(line.len())
    }

    /// The channel of a supervisor, which answers every process that connects.
    ///
    /// Dropping it closes it in this process only: a forked child has its own copy, and must drop that.
    pub(crate) struct Channel {
        listener: Listener,
        /// The connections that get every further report, the oldest first.
        kept: VecDeque<OwnedFd>,
    }

    impl Channel {
        /// Opens the channel, and publishes it instead of the mark that the daemon is not ready.
        pub(crate) fn open(held: &HeldPidfile) -> io::Result<Self> {
            let (listener, number) = Listener::open()?;
            held.file().publish(Published::Served(number))?;
            Ok(Self { listener, kept: VecDeque::with_capacity(MOST) })
        }

        /// Borrows a descriptor that is readable when [`serve`](Self::serve) has something to do.
        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            self.listener.socket.as_fd()
        }

        /// Accepts every connection, sends the report, and keeps the connection for further reports.
        pub(crate) fn serve(&mut self, report: &Report<'_>) {
            /// The pause that keeps a lack of memory or descriptors from becoming a busy loop.
            const PAUSE: Duration = Duration::from_millis(10);
            let line = report.encode();
            loop {
                match self.listener.accept() {
                    Ok(connection) if send_line(&connection, &line) => self.keep(connection),
                    Ok(_) => {}
                    Err(Errno::EAGAIN) => return,
                    // Too many descriptors, for example.
                    Err(_) if !self.kept.is_empty() => self.kept.clear(),
                    Err(_) => return sleep(PAUSE),
                }
            }
        }

        fn keep(&mut self, connection: OwnedFd) {
            if self.kept.len() == MOST {
                self.kept.retain(|connection| !is_closed(connection.as_fd()));
            }
            if self.kept.len() == MOST {
                self.kept.pop_front();
            }
            self.kept.push_back(connection);
        }

        /// Sends a report to every connection, and drops those that are closed or not read.
        pub(crate) fn publish(&mut self, report: &Report<'_>) {
            if !self.kept.is_empty() {
                let line = report.encode();
                self.kept.retain(|connection| send_line(connection, &line));
            }
        }
    }
}

/// Other systems have no such sockets.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::io;
    use std::os::fd::BorrowedFd;

    use crate::command::report::Report;
    use crate::lock::held::HeldPidfile;

    pub(super) enum Listener {}

    impl Listener {
        pub(super) fn open() -> io::Result<(Self, u32)> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn announce(self) {
            match self {}
        }
    }

    pub(crate) enum Channel {}

    #[allow(clippy::needless_pass_by_ref_mut, reason = "the signatures are those of Linux")]
    impl Channel {
        pub(crate) fn open(_: &HeldPidfile) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            match *self {}
        }

        pub(crate) fn serve(&mut self, _: &Report<'_>) {
            match *self {}
        }

        pub(crate) fn publish(&mut self, _: &Report<'_>) {
            match *self {}
        }
    }
}
