//! The client's side of the control channel: connecting to a daemon, reading its reports.

#[cfg(target_os = "linux")]
pub(crate) use linux::Conversation;
#[cfg(not(target_os = "linux"))]
pub(crate) use unknown::Conversation;

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, ErrorKind};
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sys::socket::sockopt::PeerCredentials;
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, send, socket,
    };
    use nix::unistd::{Pid, read};

    use crate::command::report::{LONGEST_READ, Report};
    use crate::sys::clock::now;
    use crate::sys::descriptor::wait_readable;
    use crate::sys::interrupted::uninterrupted;

    /// A connection to a daemon that publishes its socket.
    pub(crate) struct Conversation {
        socket: OwnedFd,
        /// The bytes that were read after the last line.
        rest: Vec<u8>,
    }

    impl Conversation {
        /// Connects without waiting.
        ///
        /// # Errors
        ///
        /// Fails if the daemon's queue is full, if it has closed the socket, if it is in another network namespace, or
        /// if the socket belongs to another process.
        pub(crate) fn connect(daemon: Pid, number: i32) -> io::Result<Self> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
            let address = UnixAddr::new_abstract(format!("{number:05x}").as_bytes())?;
            uninterrupted(|| connect(socket.as_raw_fd(), &address))?;
            // The kernel has noted which process called listen(2).
            if getsockopt(&socket, PeerCredentials)?.pid() == daemon.as_raw() {
                Ok(Self { socket, rest: Vec::new() })
            } else {
                Err(ErrorKind::PermissionDenied.into())
            }
        }

        /// Borrows a descriptor that is readable when [`read`](Self::read) has something to do.
        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            self.socket.as_fd()
        }

        /// Sends a word without waiting. Returns false for a daemon that has closed the connection.
        pub(crate) fn send(&self, word: &str) -> bool {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            uninterrupted(|| send(self.socket.as_raw_fd(), word.as_bytes(), flags)) == Ok(word.len())
        }

        /// Returns the next report, or `None` if it has not arrived yet.
        ///
        /// # Errors
        ///
        /// Fails if the daemon has closed the connection, or if this version cannot read what the daemon has sent.
        pub(crate) fn read(&mut self) -> io::Result<Option<Report<'static>>> {
            loop {
                if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<_> = self.rest.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line[..end]);
                    let report = Report::decode(&line).map(Report::into_owned);
                    return report.map(Some).ok_or_else(|| ErrorKind::InvalidData.into());
                }
                let mut buffer = [0; LONGEST_READ];
                let room = LONGEST_READ - self.rest.len();
                match uninterrupted(|| read(&self.socket, &mut buffer[..room])) {
                    Ok(0) if room == 0 => return Err(ErrorKind::InvalidData.into()),
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => self.rest.extend_from_slice(&buffer[..length]),
                    Err(Errno::EAGAIN) => return Ok(None),
                    Err(errno) => return Err(errno.into()),
                }
            }
        }

        /// Connects to a supervisor that answers in time, and returns its first report.
        pub(crate) fn begin(daemon: Pid, number: i32, timeout: Duration) -> Option<(Self, Report<'static>)> {
            let mut conversation = Self::connect(daemon, number).ok()?;
            let deadline = now() + timeout;
            loop {
                if let Some(report) = conversation.read().ok()? {
                    return Some((conversation, report));
                }
                let left = deadline.saturating_sub(now());
                let [has_more] =
                    uninterrupted(|| wait_readable([Some(conversation.as_fd())], Some(left))).ok()?;
                if !has_more {
                    return None;
                }
            }
        }
    }
}

/// Other systems have no such sockets, so no daemon publishes one.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::time::Duration;

    use nix::unistd::Pid;

    use crate::command::report::Report;

    pub(crate) enum Conversation {}

    #[allow(clippy::needless_pass_by_ref_mut, reason = "the signatures are those of Linux")]
    impl Conversation {
        pub(crate) fn connect(_: Pid, _: i32) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            match *self {}
        }

        pub(crate) fn send(&self, _: &str) -> bool {
            match *self {}
        }

        pub(crate) fn read(&mut self) -> io::Result<Option<Report<'static>>> {
            match *self {}
        }

        pub(crate) fn begin(_: Pid, _: i32, _: Duration) -> Option<(Self, Report<'static>)> {
            None
        }
    }
}
