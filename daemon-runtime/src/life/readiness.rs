//! What a daemon reports to its launcher, or a supervised body to its supervisor: that it is ready, or why not.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, getpid, read};

use crate::command::error::{Error, Kind};
use crate::command::report::Reloaded;
use crate::sys::clock::now;
use crate::sys::descriptor::{above_floor, is_readable_at_once, set_flags, signal_closing};
use crate::sys::file::FileId;
use crate::sys::interrupted::uninterrupted;

/// Makes the two ends of a channel, such as the one between a launcher and its daemon.
pub(crate) fn channel() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    Ok((above_floor(one.into())?.into(), above_floor(other.into())?.into()))
}

/// Sends a whole frame, or fails because the other end has been closed.
fn send(mut channel: &UnixStream, frame: &[u8]) -> io::Result<()> {
    let mut rest = frame;
    insist(|| {
        while !rest.is_empty() {
            let sent = channel.write(rest)?;
            rest = &rest[sent..];
        }
        Ok(())
    })
}

/// Fills the buffer, or fails because the other end was closed first or the deadline has passed.
fn receive(mut channel: &UnixStream, buffer: &mut [u8], deadline: Option<Duration>) -> io::Result<()> {
    let mut received = 0;
    insist(|| {
        while received < buffer.len() {
            if deadline.is_some_and(|deadline| now() >= deadline) {
                return Err(ErrorKind::TimedOut.into());
            }
            match channel.read(&mut buffer[received..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => received += length,
            }
        }
        Ok(())
    })
}

/// Retries a transfer that has failed for a reason other than a closed end, such as a signal or a lack of memory. A
/// daemon's life depends on these messages.
fn insist(mut go_on: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut failures = 0;
    loop {
        match go_on() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if !is_closing(error.kind()) && failures < 3 => failures += 1,
            result => return result,
        }
    }
}

fn is_closing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// The launcher's answer to a daemon that waits for it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verdict {
    GoOn = b'!',
    GiveUp = b'.',
    /// The launcher stops waiting, and the daemon may live on without it.
    Release = b'~',
}

/// The launcher's latest act, since the daemon last looked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    None,
    /// It has stopped waiting, and the daemon may live on without it.
    Released,
    /// It is gone.
    Gone,
}

impl Verdict {
    pub(crate) fn send(self, channel: &UnixStream) -> io::Result<()> {
        send(channel, &[self as u8])
    }

    fn receive(channel: &UnixStream) -> io::Result<Self> {
        let mut verdict = [0];
        receive(channel, &mut verdict, None)?;
        Ok(if verdict == [Self::GoOn as u8] { Self::GoOn } else { Self::GiveUp })
    }
}

/// The daemon's end of the channel.
#[must_use = "dropping this without a message means that the daemon has died"]
pub(crate) struct Readiness {
    channel: UnixStream,
    /// The channel's identity, once the body is about to begin: a body that closes descriptors it does not know may
    /// have a file of its own under the number.
    id: Option<FileId>,
    /// Whether what the launcher does from now on is ignored.
    ignores_launcher: bool,
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Readiness {
    pub(crate) fn new(channel: UnixStream) -> Self {
        Self { channel, id: None, ignores_launcher: false }
    }

    /// Reports that this process is the daemon, and ready.
    ///
    /// # Errors
    ///
    /// Fails if the launcher is gone, but not if it had stopped waiting. A cancelled start leaves no daemon.
    pub(crate) fn ready(self, pid: Pid) -> io::Result<()> {
        if !self.is_intact() {
            return Err(Errno::EBADF.into());
        }
        if self.id.is_some() {
            // The launcher closes its end after this message. The daemon must not take that for the launcher's death.
            set_flags(&self.channel, OFlag::empty())?;
        }
        match send(&self.channel, &Message::Ready(pid).encode()) {
            Err(_) if self.take_news() == News::Released => Ok(()),
            result => result,
        }
    }

    /// Reports that readiness will follow, and waits until the launcher has pinned this process. From then on, the
    /// kernel sends SIGIO if the launcher goes or stops waiting. Returns what the launcher has done before that.
    pub(crate) fn await_launcher(&mut self, pid: Pid) -> io::Result<News> {
        self.await_verdict(pid)?;
        signal_closing(self.channel.as_fd(), pid)?;
        let news = self.take_news();
        self.remember_channel()?;
        Ok(news)
    }

    /// Reports that readiness will follow, and waits until the launcher has pinned this process.
    pub(crate) fn await_verdict(&self, pid: Pid) -> io::Result<()> {
        self.send(&Message::Waiting(pid))?;
        let verdict = Verdict::receive(&self.channel)?;
        if verdict == Verdict::GoOn { Ok(()) } else { Err(Errno::EPIPE.into()) }
    }

    /// Notes the channel's identity, because a body is about to begin.
    pub(crate) fn remember_channel(&mut self) -> io::Result<()> {
        self.id = Some(FileId::of(&self.channel)?);
        Ok(())
    }

    /// Makes a second end of the same channel.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let channel = above_floor(self.channel.try_clone()?.into())?.into();
        Ok(Self { channel, id: self.id, ignores_launcher: self.ignores_launcher })
    }

    /// Reports the end of a supervised body, with the body's own reason.
    pub(crate) fn ended(self, reason: Option<&str>) {
        let reason = reason.unwrap_or_default().chars().take(LONGEST_REASON).collect();
        let _ = self.send(&Message::Ended(getpid(), reason));
    }

    /// Reports that a supervised body answers reloads from now on.
    pub(crate) fn takes_reloads(&self) {
        let _ = self.send(&Message::TakesReloads(getpid()));
    }

    /// Reports that a supervised body has taken a reload.
    pub(crate) fn reloading(&self) {
        let _ = self.send(&Message::Reloading(getpid()));
    }

    /// Reports the result of a reload, which a supervised body has taken at this time of the monotonic clock.
    pub(crate) fn reloaded(&self, at: Duration, error: Option<&str>) {
        let error = error.map(|error| error.chars().take(LONGEST_REASON).collect());
        let _ = self.send(&Message::Reloaded(getpid(), Reloaded { at, error: error.map(Cow::Owned) }));
    }

    /// Reports why there will be no daemon.
    ///
    /// The channel stays open until this process has ended, so that the launcher can wait for its end.
    pub(crate) fn failed(self, error: Error) {
        let _ = self.send(&Message::Failed(getpid(), error));
        mem::forget(self.channel);
    }

    /// Takes what the launcher has done. Async-signal-safe.
    pub(crate) fn take_news(&self) -> News {
        let channel = self.channel.as_fd();
        if self.ignores_launcher || !self.is_intact() || !is_readable_at_once(channel) {
            return News::None;
        }
        let mut verdict = [0];
        match uninterrupted(|| read(channel, &mut verdict)) {
            Ok(1) if verdict == [Verdict::Release as u8] => News::Released,
            _ => News::Gone,
        }
    }

    /// Takes what the launcher has done, for a daemon that is ending. Afterwards the launcher can no longer stop
    /// waiting, so both processes agree on whether it has.
    pub(crate) fn take_last_news(&mut self) -> News {
        let mut news = self.take_news();
        if news == News::None && !self.ignores_launcher && self.is_intact() {
            // What has arrived can still be read. On systems other than Linux, it may be lost.
            let _ = self.channel.shutdown(Shutdown::Read);
            news = self.take_news();
        }
        self.ignores_launcher = true;
        news
    }

    fn is_intact(&self) -> bool {
        let Some(expected) = self.id else { return true };
        // If the system does not tell, the channel is used: otherwise the launcher would wait for a message that never
        // comes.
        expected.may_be_open_at(&self.channel)
    }

    fn send(&self, message: &Message) -> io::Result<()> {
        if !self.is_intact() {
            return Err(Errno::EBADF.into());
        }
        send(&self.channel, &message.encode())
    }
}

/// A message of the daemon to its launcher, with the PID of the process that it is about.
pub(crate) enum Message {
    /// The daemon waits for a verdict, and will report readiness later: the first of two messages.
    Waiting(Pid),
    Ready(Pid),
    Failed(Pid, Error),
    /// A supervised body has ended, for this reason.
    Ended(Pid, String),
    /// A supervised body answers reloads from now on.
    TakesReloads(Pid),
    /// A supervised body has taken a reload.
    Reloading(Pid),
    /// A supervised body has reloaded, or failed to.
    Reloaded(Pid, Reloaded<'static>),
}

/// The longest reason of a supervised body that is passed on, in characters.
const LONGEST_REASON: usize = 1024;

/// The longest text of a message from a sender that is not trusted, in bytes.
const LONGEST_UNTRUSTED: usize = 64 << 10;

/// The longest text of a message that is read, in bytes.
const LONGEST_TEXT: usize = 64 << 20;

const WAITING: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const ALREADY_RUNNING: u8 = 4;
const HOLDER_UNKNOWN: u8 = 5;
const OTHER_PROGRAM: u8 = 6;
const ENDED: u8 = 7;
const TAKES_RELOADS: u8 = 8;
const RELOADED: u8 = 9;
const RELOADING: u8 = 10;

impl Message {
    /// Returns the frame: a kind, three numbers (PID, error number or other PID, length of the text), the text.
    fn encode(&self) -> Vec<u8> {
        let text;
        let (kind, pid, number, text) = match self {
            Self::Waiting(pid) => (WAITING, pid, 0, ""),
            Self::Ready(pid) => (READY, pid, 0, ""),
            Self::Ended(pid, reason) => (ENDED, pid, 0, reason.as_str()),
            Self::TakesReloads(pid) => (TAKES_RELOADS, pid, 0, ""),
            Self::Reloading(pid) => (RELOADING, pid, 0, ""),
            Self::Reloaded(pid, Reloaded { at, error }) => {
                let nanos = at.as_nanos();
                text = error.as_ref().map_or_else(|| nanos.to_string(), |error| format!("{nanos} {error}"));
                (RELOADED, pid, 0, text.as_str())
            }
            Self::Failed(pid, error) => match error.kind() {
                Kind::AlreadyRunning(other) => (ALREADY_RUNNING, pid, other.as_raw(), ""),
                Kind::HolderUnknown => (HOLDER_UNKNOWN, pid, 0, error.text()),
                Kind::OtherProgram => (OTHER_PROGRAM, pid, 0, error.text()),
                Kind::Usage | Kind::NotRunning | Kind::PermissionDenied | Kind::NotReady | Kind::Failed => {
                    (FAILED, pid, error.errno().unwrap_or(0), error.text())
                }
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

    /// Waits for the next message. Returns `None` if the channel ends without another.
    pub(crate) fn receive(channel: &UnixStream) -> Option<Self> {
        Self::receive_until(channel, None)
    }

    /// Waits for the next message of a sender that may stop halfway through one. The channel's own read timeout must be
    /// short.
    pub(crate) fn receive_until(channel: &UnixStream, deadline: Option<Duration>) -> Option<Self> {
        let mut header = [0; 1 + 3 * size_of::<i32>()];
        receive(channel, &mut header, deadline).ok()?;
        let (kind, numbers) = header.split_first()?;
        let [pid, number, length] =
            [0, 4, 8].map(|at| numbers[at..].first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)));
        let longest = if deadline.is_some() { LONGEST_UNTRUSTED } else { LONGEST_TEXT };
        let length = usize::try_from(length).ok().filter(|length| *length <= longest)?;
        let mut text = vec![0; length];
        receive(channel, &mut text, deadline).ok()?;
        let (pid, text) = (Pid::from_raw(pid), String::from_utf8_lossy(&text));
        Some(match *kind {
            WAITING => Self::Waiting(pid),
            READY => Self::Ready(pid),
            ENDED => Self::Ended(pid, text.into_owned()),
            TAKES_RELOADS => Self::TakesReloads(pid),
            RELOADING => Self::Reloading(pid),
            RELOADED => {
                let (nanos, error) =
                    text.split_once(' ').map_or((&*text, None), |(nanos, rest)| (nanos, Some(rest)));
                let error = error.map(|error| Cow::Owned(error.to_owned()));
                Self::Reloaded(pid, Reloaded { at: Duration::from_nanos(nanos.parse().ok()?), error })
            }
            ALREADY_RUNNING => Self::Failed(pid, Error::already_running(Pid::from_raw(number))),
            HOLDER_UNKNOWN => Self::Failed(pid, Error::new(Kind::HolderUnknown, format_args!("{text}"))),
            OTHER_PROGRAM => Self::Failed(pid, Error::new(Kind::OtherProgram, format_args!("{text}"))),
            _ if number == 0 => Self::Failed(pid, Error::failed(format_args!("{text}"))),
            _ => Self::Failed(pid, Error::os(format_args!("{text}"), Errno::from_raw(number))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(messages: &[Message]) -> UnixStream {
        let (mut one, other) = channel().unwrap();
        for message in messages {
            one.write_all(&message.encode()).unwrap();
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
            let (mut one, other) = channel().unwrap();
            one.write_all(&frame[..cut]).unwrap();
            drop(one);
            assert!(Message::receive(&other).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let received = |error| match Message::receive(&sent(&[failure(error)])) {
            Some(Message::Failed(_, error)) => error,
            _ => panic!("no failure"),
        };
        let unknown = Error::new(Kind::HolderUnknown, format_args!("/x"));
        let other = Error::new(Kind::OtherProgram, format_args!("/x is held"));
        assert_eq!(received(other).to_string(), "/x is held");
        assert_eq!(received(Error::already_running(Pid::from_raw(42))).pid(), Some(42));
        assert!(received(unknown).is_unknown());
        assert!(received(Error::os(format_args!(""), Errno::EPERM)).is_permission_denied());
    }
}
