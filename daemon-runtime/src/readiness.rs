//! What a daemon tells its launcher: that it is ready, or why it won't be.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::{Pid, getpid, read, write};

use crate::error::{Error, Kind};
use crate::pidfile::FileId;
use crate::sys::{self, Sys};

/// The daemon's end of the channel: what it owes the launcher.
#[must_use = "dropping this without a word tells the launcher that the daemon has died"]
#[derive(Debug)]
pub(crate) struct Readiness {
    channel: OwnedFd,
    /// What the channel is, once the body is about to begin: one that closes what it doesn't know may have a file
    /// of its own under the number.
    id: Option<FileId>,
}

impl Readiness {
    pub(crate) fn new(channel: OwnedFd) -> Self {
        Self { channel, id: None }
    }

    /// Tells the launcher that this process is the daemon and ready. Fails if there is no launcher any
    /// more: whoever has cancelled it doesn't want the daemon.
    pub(crate) fn ready(self, pid: Pid) -> Sys<()> {
        if !self.is_intact() {
            return Err(Errno::EBADF);
        }
        if self.id.is_some() {
            // The launcher closes its end on this message, which must not be taken for its death.
            sys::notify_of_closing(&self.channel, None)?;
        }
        self.send(&Message::Ready(pid))
    }

    /// Tells the launcher that the body will say when this process is ready, waits until the launcher has an eye
    /// on this process, and has SIGIO sent if the launcher goes from then on.
    pub(crate) fn wait_for_body(&mut self, pid: Pid) -> Sys<()> {
        self.send(&Message::Waiting(pid))?;
        let mut word = [0];
        while match read(&self.channel, &mut word) {
            Ok(1) => false,
            Err(Errno::EINTR) => true,
            _ => return Err(Errno::EPIPE),
        } {}
        sys::notify_of_closing(&self.channel, Some(pid))?;
        self.id = Some(FileId::from_stat(&sys::fstat(&self.channel)?));
        // It may have gone just before.
        if self.is_abandoned() { Err(Errno::EPIPE) } else { Ok(()) }
    }

    /// Tells the launcher why there will be no daemon.
    pub(crate) fn failed(self, error: Error) {
        let _ = self.send(&Message::Failed(getpid(), error));
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
        if !self.is_intact() {
            return Err(Errno::EBADF);
        }
        let frame = message.encode();
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match write(&self.channel, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// What the daemon tells its launcher, about which process.
#[derive(Debug)]
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
        let numbers = [pid.as_raw(), number, length].map(i32::to_ne_bytes);
        [&[kind], numbers.as_flattened(), text.as_bytes()].concat()
    }

    /// Reads the first frame, once it is whole, and gives what comes after it.
    pub(crate) fn decode(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = frame.split_first()?;
        let (pid, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let [pid, number, length] = [pid, number, length].map(|bytes| i32::from_ne_bytes(*bytes));
        let (text, rest) = rest.split_at_checked(length.unsigned_abs() as usize)?;
        let text = String::from_utf8_lossy(text);
        let pid = Pid::from_raw(pid);
        let message = match *kind {
            WAITING => Self::Waiting(pid),
            READY => Self::Ready(pid),
            ALREADY_RUNNING => Self::Failed(pid, Error::already_running(Pid::from_raw(number))),
            UNNAMED => Self::Failed(pid, Error::new(Kind::Unnamed, text)),
            _ if number == 0 => Self::Failed(pid, Error::failed(text)),
            _ => Self::Failed(pid, Error::os(text, Errno::from_raw(number))),
        };
        Some((message, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: Error) -> Message {
        Message::Failed(Pid::from_raw(7), error)
    }

    #[test]
    fn a_frame_is_read_only_when_it_is_whole() {
        let pid = Pid::from_raw(8);
        let frame = failure(Error::os("cannot open pidfile /x", Errno::ENOSPC)).encode();
        assert!((0..frame.len()).all(|cut| Message::decode(&frame[..cut]).is_none()));
        let frames = [frame, Message::Ready(pid).encode()].concat();
        let Some((Message::Failed(pid, error), rest)) = Message::decode(&frames) else { panic!() };
        assert_eq!(pid.as_raw(), 7);
        assert!(matches!(Message::decode(rest), Some((Message::Ready(_), []))));
        assert_eq!(error.to_string(), "cannot open pidfile /x: No space left on device (os error 28)");
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let sent = |error| match Message::decode(&failure(error).encode()) {
            Some((Message::Failed(_, error), _)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(sent(Error::already_running(Pid::from_raw(42))).pid(), Some(42));
        assert!(sent(Error::unnamed(c"/x")).is_unknown());
        assert!(sent(Error::os("", Errno::EPERM)).is_permission_denied());
    }
}
