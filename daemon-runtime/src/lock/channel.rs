//! The daemon's side of the control channel, by which other processes learn its state.
//!
//! The channel is a socket without a path, whose name the kernel chooses. It works inside a chroot and for every user,
//! and leaves nothing behind. A lock on the pidfile publishes its number.

use std::io;

use crate::command::report::{Phase, Report};
use crate::lock::bytes::Published;
use crate::lock::held::{HeldPidfile, PublishingFile};

#[cfg(target_os = "linux")]
pub(crate) use linux::{Channel, Listener, send_line};
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::{Channel, Listener, send_line};

/// The mark of a daemon that is not ready. Dropping it changes nothing: the end of the process removes the mark.
pub(crate) struct Starting {
    file: PublishingFile,
    listener: Option<Listener>,
}

impl Starting {
    /// Takes over the mark that a pidfile was given together with its lock.
    pub(crate) fn new(held: &HeldPidfile) -> Self {
        Self { file: held.file(), listener: None }
    }

    /// Opens a socket on which other processes can wait until the daemon is ready. Without a socket, they poll the
    /// lock.
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

    /// Reports to all clients that the daemon is ready. The mark must be withdrawn before.
    pub(crate) fn announce(self) {
        if let Some(listener) = self.listener {
            listener.announce(&Report::new(Phase::Running));
        }
    }
}

/// The socket on which a daemon without a supervisor answers the reloads that its body takes.
pub(crate) struct Answers {
    file: PublishingFile,
    /// The socket with its number.
    listener: Option<(Listener, i32)>,
}

impl Answers {
    pub(crate) fn new(held: &HeldPidfile) -> Self {
        Self { file: held.file(), listener: None }
    }

    /// Opens the socket on which other processes can wait for an answer, unless it is open.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            let (listener, number) = Listener::open()?;
            self.file.publish(Published::Answering(number))?;
            self.listener = Some((listener, number));
        }
        Ok(())
    }

    /// Shows that the body is at a reload. If this fails, clients may not wait long enough.
    pub(crate) fn show_reload(&self) {
        if let Some((_, number)) = self.listener {
            let _ = self.file.publish(Published::Reloading(number));
        }
    }

    /// Shows that the body is at no reload.
    pub(crate) fn show_no_reload(&self) {
        if let Some((_, number)) = self.listener {
            let _ = self.file.publish(Published::Answering(number));
        }
    }

    /// Sends an answer to the clients that wait, until `is_over` returns true.
    pub(crate) fn send(&self, answer: &Report<'_>, is_over: impl Fn() -> bool) {
        if let Some((listener, _)) = &self.listener {
            listener.answer(answer, is_over);
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

    use crate::command::report::Report;
    use crate::lock::bytes::Published;
    use crate::lock::held::HeldPidfile;
    use crate::sys::descriptor::{above_floor, is_closed};
    use crate::sys::file::FileId;
    use crate::sys::interrupted::uninterrupted;

    /// The number of connections that a supervisor keeps.
    pub(super) const MOST: usize = 256;

    /// More connections than a queue can hold.
    const MOST_WAITING: usize = 10_000;

    /// A socket that accepts connections, and does not block.
    pub(crate) struct Listener {
        socket: OwnedFd,
        id: FileId,
    }

    impl Listener {
        /// Opens a socket, and returns it with the number that is its name. Async-signal-safe.
        pub(crate) fn open() -> io::Result<(Self, i32)> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = above_floor(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)?;
            // A name of no length makes the kernel choose one (unix(7)).
            bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
            // No process can connect before this, so the number must not be published earlier.
            listen(&socket, Backlog::MAXCONN)?;
            let id = FileId::of(&socket)?;
            let socket = UnixListener::from(socket);
            let number = socket.local_addr()?.as_abstract_name().and_then(number);
            let number = number.ok_or(io::ErrorKind::InvalidData)?;
            Ok((Self { socket: socket.into(), id }, number))
        }

        #[cfg(test)]
        pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
            self.socket.as_fd()
        }

        /// Sends a report to all clients, and refuses further connections.
        pub(super) fn announce(self, report: &Report<'_>) {
            // A body that closes descriptors it does not know may have a socket of its own under this number.
            if !self.id.may_be_open_at(&self.socket) {
                std::mem::forget(self.socket);
                return;
            }
            // A child of the body may have the socket open too. Connections that wait can still be accepted.
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
            self.answer(report, || false);
        }

        /// Sends a report to the clients that wait, and closes their connections, until `is_over` returns true.
        pub(super) fn answer(&self, report: &Report<'_>, is_over: impl Fn() -> bool) {
            if !self.id.may_be_open_at(&self.socket) {
                return;
            }
            let line = report.encode();
            // Clients that connect again and again must not keep the body here.
            for _ in 0..MOST_WAITING {
                if is_over() {
                    return;
                }
                let Ok(connection) = self.accept() else { return };
                send_line(&connection, line.as_bytes());
            }
        }

        /// Returns whether this is still the socket. A body that closes descriptors it does not know may have one of
        /// its own under this number.
        pub(crate) fn is_intact(&self) -> bool {
            self.id.may_be_open_at(&self.socket)
        }

        /// Takes the next connection that waits. Async-signal-safe.
        pub(crate) fn accept(&self) -> nix::Result<OwnedFd> {
            loop {
                match accept4(&self.socket, SockFlag::SOCK_CLOEXEC) {
                    // The client of the first connection in the queue has given up, or a signal has interrupted the
                    // call.
                    Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                    accepted => return accepted,
                }
            }
        }
    }

    /// Reads the name that the kernel gives: five hexadecimal digits.
    pub(super) fn number(name: &[u8]) -> Option<i32> {
        let is_number = name.len() == 5 && name.iter().all(u8::is_ascii_hexdigit);
        i32::from_str_radix(std::str::from_utf8(name).ok().filter(|_| is_number)?, 16).ok()
    }

    /// Sends a line without waiting. Returns false for a process that is gone or does not read. Async-signal-safe.
    pub(crate) fn send_line(connection: &OwnedFd, line: &[u8]) -> bool {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
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
            Ok(Self::new(listener))
        }

        pub(super) fn new(listener: Listener) -> Self {
            Self { listener, kept: VecDeque::with_capacity(MOST) }
        }

        #[cfg(test)]
        pub(super) fn kept(&self) -> usize {
            self.kept.len()
        }

        /// Borrows a descriptor that is readable when [`serve`](Self::serve) has something to do.
        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            self.listener.socket.as_fd()
        }

        /// Accepts the connections that wait, sends the report, and keeps the connection for further reports.
        pub(crate) fn serve(&mut self, report: &Report<'_>) {
            /// The pause that keeps a lack of memory or descriptors from becoming a busy loop.
            const PAUSE: Duration = Duration::from_millis(10);
            let line = report.encode();
            // During a flood of connections, the caller must still attend to other things.
            for _ in 0..MOST {
                match self.listener.accept() {
                    Ok(connection) if send_line(&connection, line.as_bytes()) => self.keep(connection),
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
                self.kept.retain(|connection| send_line(connection, line.as_bytes()));
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use nix::unistd::getpid;

    use super::linux::{Channel, Listener, MOST, number};
    use crate::command::report::{Phase, Report};
    use crate::lock::conversation::Conversation;
    use crate::sys::descriptor::is_readable;

    const RUNNING: Report<'_> = Report::new(Phase::Running);
    const WAITING: Report<'_> = Report::new(Phase::Waiting);

    fn channel() -> (Channel, i32) {
        let (listener, number) = Listener::open().unwrap();
        (Channel::new(listener), number)
    }

    fn connect(number: i32) -> Conversation {
        Conversation::connect(getpid(), number).unwrap()
    }

    #[test]
    fn every_connection_gets_the_report_at_once_and_each_change_later() {
        let (mut channel, number) = channel();
        let mut conversations = [connect(number), connect(number)];
        assert!(is_readable(channel.as_fd()));
        assert!(conversations.iter_mut().all(|one| one.read().unwrap().is_none()));
        channel.serve(&RUNNING);
        assert!(!is_readable(channel.as_fd()), "the channel sleeps until the next connection");
        assert!(conversations.iter_mut().all(|one| one.read().unwrap() == Some(RUNNING)));
        channel.publish(&WAITING);
        channel.publish(&RUNNING);
        for one in &mut conversations {
            assert_eq!(
                [one.read().unwrap(), one.read().unwrap(), one.read().unwrap()],
                [Some(WAITING), Some(RUNNING), None]
            );
        }
        drop(channel);
        assert!(conversations.iter_mut().all(|one| one.read().is_err()));
        assert!(Conversation::connect(getpid(), number).is_err());
    }

    #[test]
    fn a_connection_that_is_closed_or_not_read_is_dropped() {
        let (mut channel, number) = channel();
        let _deaf = connect(number);
        drop(connect(number));
        channel.serve(&RUNNING);
        assert_eq!(channel.kept(), 1, "the one that was closed before");
        for _ in 0..100_000 {
            channel.publish(&RUNNING);
        }
        assert_eq!(channel.kept(), 0, "the one that does not read");
    }

    #[test]
    fn of_too_many_connections_the_closed_ones_go_first_and_then_the_oldest() {
        let (mut channel, number) = channel();
        let mut first = connect(number);
        channel.serve(&RUNNING);
        let mut others: Vec<_> = (1..MOST)
            .map(|_| {
                let other = connect(number);
                channel.serve(&RUNNING);
                other
            })
            .collect();
        assert_eq!(channel.kept(), MOST);
        drop(others.pop());
        let _next = connect(number);
        channel.serve(&RUNNING);
        assert_eq!(channel.kept(), MOST);
        assert_eq!([first.read().unwrap(), first.read().unwrap()], [Some(RUNNING), None]);
        let _last = connect(number);
        channel.serve(&RUNNING);
        assert_eq!(channel.kept(), MOST);
        assert!(first.read().is_err(), "the oldest one is dropped");
    }

    #[test]
    fn a_listener_that_announces_leaves_nobody_waiting() {
        let (listener, number) = Listener::open().unwrap();
        let mut waiting = [connect(number), connect(number)];
        // A child that the body has forked has the socket too.
        let inherited = listener.as_fd().try_clone_to_owned().unwrap();
        listener.announce(&RUNNING);
        for one in &mut waiting {
            assert_eq!(one.read().unwrap(), Some(RUNNING));
            assert!(one.read().is_err(), "the connection is closed");
        }
        assert!(Conversation::connect(getpid(), number).is_err());
        drop(inherited);
    }

    #[test]
    fn a_report_comes_in_time_or_not_at_all() {
        let (mut channel, number) = channel();
        assert!(Conversation::begin(getpid(), number, Duration::from_millis(10)).is_none());
        let other = nix::unistd::getppid();
        assert!(Conversation::connect(other, number).is_err(), "the socket is not that process's");
        channel.publish(&RUNNING);
    }

    #[test]
    fn only_a_name_of_the_kernels_is_a_number() {
        assert_eq!(number(b"000ff"), Some(0xff));
        assert_eq!(number(b"fffff"), Some(0xf_ffff));
        for name in [&b""[..], b"0ff", b"0000ff", b"+00ff", b"0000g"] {
            assert_eq!(number(name), None);
        }
    }
}

/// Other systems have no such sockets.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd};

    use crate::command::report::Report;
    use crate::lock::held::HeldPidfile;

    pub(crate) enum Listener {}

    pub(crate) fn send_line(_: &OwnedFd, _: &[u8]) -> bool {
        false
    }

    impl Listener {
        pub(crate) fn is_intact(&self) -> bool {
            match *self {}
        }

        pub(crate) fn accept(&self) -> nix::Result<OwnedFd> {
            match *self {}
        }

        pub(crate) fn open() -> io::Result<(Self, i32)> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn announce(self, _: &Report<'_>) {
            match self {}
        }

        pub(super) fn answer(&self, _: &Report<'_>, _: impl Fn() -> bool) {
            match *self {}
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
