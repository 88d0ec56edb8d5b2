//! What a daemon tells its launcher: that it is ready, or why it won't be.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::unistd::write;

use crate::error::{Error, Kind};
use crate::sys::{self, FileId, Pid, Sys, getpid};

/// One end of what the two are connected by.
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> io::Result<[Self; 2]> {
        let (one, other) = UnixStream::pair()?;
        Ok([Self(sys::above_floor(one.into())?), Self(sys::above_floor(other.into())?)])
    }

    pub(crate) fn send(&self, message: &[u8]) -> Sys<()> {
        let mut rest = message;
        while !rest.is_empty() {
            match write(&self.0, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Fills the buffer, or fails because the other end has been closed before.
    fn receive(&self, buffer: &mut [u8]) -> Sys<()> {
        let mut received = 0;
        let mut failures = 0;
        while received < buffer.len() {
            match sys::receive(&self.0, &mut buffer[received..]) {
                Ok(0) => return Err(Errno::EPIPE),
                Ok(length) => received += length,
                Err(Errno::EINTR) => {}
                // Nothing else is to be expected; since a daemon's fate hangs on it, it gets another chance.
                Err(_) if failures < 3 => failures += 1,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the launcher tells a daemon that waits for it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    GoOn = b'!',
    GiveUp = b'.',
}

/// The daemon's end of the channel: what it owes the launcher.
#[must_use = "dropping this without a word tells the launcher that the daemon has died"]
pub(crate) struct Readiness {
    channel: Channel,
    /// What the channel is, once the body is about to begin: one that closes what it doesn't know may have a file
    /// of its own under the number.
    id: Option<FileId>,
}

impl Readiness {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, id: None }
    }

    /// Tells the launcher that this process is the daemon and ready. Fails if there is no launcher any
    /// more: whoever has cancelled it doesn't want the daemon.
    pub(crate) fn ready(self, pid: Pid) -> Sys<()> {
        if self.id.is_some() && self.is_intact() {
            // The launcher closes its end on this message, which must not be taken for its death.
            sys::notify_of_closing(&self.channel, None)?;
        }
        self.send(&Message::Ready(pid))
    }

    /// Tells the launcher that the body will say when this process is ready, waits until the launcher has an eye
    /// on this process, and has SIGIO sent if the launcher goes from then on.
    pub(crate) fn wait_for_body(&mut self, pid: Pid) -> Sys<()> {
        self.send(&Message::Waiting(pid))?;
        let mut verdict = [0];
        self.channel.receive(&mut verdict)?;
        if verdict != [Verdict::GoOn as u8] {
            return Err(Errno::EPIPE);
        }
        sys::notify_of_closing(&self.channel, Some(pid))?;
        self.id = Some(FileId::from_stat(&sys::fstat(&self.channel)?));
        // It may have gone just before.
        if self.is_abandoned() { Err(Errno::EPIPE) } else { Ok(()) }
    }

    /// Tells the launcher why there will be no daemon. The channel stays open for as long as this process is there, which
    /// is about to end, so that the end of the one is that of the other.
    pub(crate) fn failed(self, error: Error) {
        let _ = self.send(&Message::Failed(getpid(), error));
        mem::forget(self.channel);
    }

    /// Tells whether there is nobody left to tell. Async-signal-safe.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_intact() && sys::is_closed(self.channel.as_fd())
    }

    fn is_intact(&self) -> bool {
        let Some(id) = self.id else { return true };
        match sys::fstat(&self.channel) {
            Ok(stat) => id.is_of(&stat),
            Err(errno) => errno != Errno::EBADF,
        }
    }

    fn send(&self, message: &Message) -> Sys<()> {
        if self.is_intact() { self.channel.send(&message.encode()) } else { Err(Errno::EBADF) }
    }
}

/// What the daemon tells its launcher, about which process.
pub(crate) enum Message {
    /// The body will say when; the first message of two.
    Waiting(Pid),
    Ready(Pid),
    Failed(Pid, Error),
}

const WAITING: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const ALREADY_RUNNING: u8 = 4;
const UNNAMED: u8 = 5;

impl Message {
    /// Gives the frame: a kind, three numbers (PID, error number or other PID, length of the text), the text.
    fn encode(&self) -> Vec<u8> {
        let (kind, pid, number, text) = match self {
            Self::Waiting(pid) => (WAITING, pid, 0, ""),
            Self::Ready(pid) => (READY, pid, 0, ""),
            Self::Failed(pid, error) => match error.kind() {
                Kind::AlreadyRunning(other) => (ALREADY_RUNNING, pid, other.as_raw(), ""),
                Kind::Unnamed => (UNNAMED, pid, 0, error.text()),
                _ => (FAILED, pid, error.errno().unwrap_or(0), error.text()),
            },
        };
        let length = i32::try_from(text.len()).expect("a reason is shorter than 2 GiB");
        let mut frame = vec![kind];
        for number in [pid.as_raw(), number, length] {
            frame.extend_from_slice(&number.to_ne_bytes());
        }
        frame.extend_from_slice(text.as_bytes());
        frame
    }

    /// Waits for the next one; none if the channel ends without another.
    pub(crate) fn receive(channel: &Channel) -> Option<Self> {
        let mut header = [0; 1 + 3 * size_of::<i32>()];
        channel.receive(&mut header).ok()?;
        let (kind, rest) = header.split_first()?;
        let (pid, rest) = rest.split_first_chunk()?;
        let (number, length) = rest.split_first_chunk()?;
        let [pid, number, length] =
            [pid, number, length.first_chunk()?].map(|bytes| i32::from_ne_bytes(*bytes));
        let mut text = vec![0; length.unsigned_abs() as usize];
        channel.receive(&mut text).ok()?;
        let (pid, text) = (Pid::from_raw(pid), String::from_utf8_lossy(&text));
        Some(match *kind {
            WAITING => Self::Waiting(pid),
            READY => Self::Ready(pid),
            ALREADY_RUNNING => Self::Failed(pid, Error::already_running(Pid::from_raw(number))),
            UNNAMED => Self::Failed(pid, Error::new(Kind::Unnamed, format_args!("{text}"))),
            _ if number == 0 => Self::Failed(pid, Error::failed(format_args!("{text}"))),
            _ => Self::Failed(pid, Error::os(format_args!("{text}"), Errno::from_raw(number))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(messages: &[Message]) -> Channel {
        let [one, other] = Channel::pair().unwrap();
        for message in messages {
            one.send(&message.encode()).unwrap();
        }
        other
    }

    fn failure(error: Error) -> Message {
        Message::Failed(Pid::from_raw(7), error)
    }

    #[test]
    fn messages_come_one_after_the_other_and_whole() {
        let full = Error::os(format_args!("cannot open pidfile /x"), Errno::ENOSPC);
        let channel = sent(&[failure(full), Message::Ready(Pid::from_raw(8))]);
        let Some(Message::Failed(pid, error)) = Message::receive(&channel) else { panic!() };
        assert_eq!(pid.as_raw(), 7);
        assert_eq!(error.to_string(), "cannot open pidfile /x: No space left on device (os error 28)");
        let Some(Message::Ready(pid)) = Message::receive(&channel) else { panic!() };
        assert_eq!(pid.as_raw(), 8);
        assert!(Message::receive(&channel).is_none());
    }

    #[test]
    fn a_message_that_is_cut_off_is_none() {
        let frame = failure(Error::failed(format_args!("a reason"))).encode();
        for cut in 0..frame.len() {
            let [one, other] = Channel::pair().unwrap();
            one.send(&frame[..cut]).unwrap();
            drop(one);
            assert!(Message::receive(&other).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let heard = |error| match Message::receive(&sent(&[failure(error)])) {
            Some(Message::Failed(_, error)) => error,
            _ => panic!("no failure"),
        };
        assert_eq!(heard(Error::already_running(Pid::from_raw(42))).pid(), Some(42));
        assert!(heard(Error::unnamed(c"/x")).is_unknown());
        assert!(heard(Error::os(format_args!(""), Errno::EPERM)).is_permission_denied());
    }
}
