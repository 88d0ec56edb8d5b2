//! Two forks, and the messages by which the launcher learns what became of the daemon.
//!
//! ```text
//! launcher ── fork ── first child: setsid ── fork ── daemon: sets itself up
//!    │                    └ _exit, reaped               │
//!    ├──────────────── pipe: Born(pid) ────────────────┤
//!    └──────────────── pipe: Ready, or Failed(why) ────┘
//! ```
//!
//! The first child leads the new session; the daemon doesn't, so it can never get a controlling
//! terminal back ([daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html)). The launcher
//! goes by the last message. The end of the pipe without one, or the death of the daemon while somebody
//! else keeps the pipe open, is a failure.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, getpid, pipe2, read, setsid, write};

use crate::error::{Error, Kind, Result};
use crate::stdio::above_stdio;
use crate::sys::{self, PidFd, Sys};

/// In which process [`fork_daemon`] has returned.
pub(crate) enum Side {
    /// In the caller; the daemon is ready.
    Launcher(Pid),
    /// In the daemon, which has yet to set itself up. All signals are blocked.
    Daemon(Readiness),
}

/// Forks a daemon. In the launcher it returns once the daemon has said that it is ready, or has failed;
/// then nothing is left of it.
pub(crate) fn fork_daemon() -> Result<Side> {
    // What lies in the buffers would be written by both.
    let _ = (io::stdout().flush(), io::stderr().flush());
    let (reader, writer) = pipe().map_err(|errno| Error::os("cannot make a pipe", errno))?;
    let mask = block_signals().map_err(|errno| Error::os("cannot block signals", errno))?;
    match sys::fork() {
        Err(errno) => {
            let _ = mask.thread_set_mask();
            Err(Error::os("cannot fork", errno))
        }
        Ok(ForkResult::Child) => {
            drop(reader);
            lead_session(writer)
        }
        Ok(ForkResult::Parent { child }) => {
            drop(writer);
            let _ = mask.thread_set_mask();
            let result = Launch::new(reader).outcome();
            reap(child);
            result.map(Side::Launcher)
        }
    }
}

fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((above_stdio(reader)?, above_stdio(writer)?))
}

fn block_signals() -> Sys<SigSet> {
    SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)
}

/// The first child's life: it returns in its own child only.
fn lead_session(writer: OwnedFd) -> Result<Side> {
    let readiness = Readiness { pipe: writer };
    if let Err(errno) = setsid() {
        readiness.failed(Error::os("cannot make a session", errno));
    }
    match sys::fork() {
        Err(errno) => readiness.failed(Error::os("cannot fork the daemon", errno)),
        Ok(ForkResult::Parent { .. }) => sys::exit_now(0),
        Ok(ForkResult::Child) => {}
    }
    readiness.send(&Message::Born(getpid().as_raw()))?;
    Ok(Side::Daemon(readiness))
}

/// Waits for the first child, which has only to exit. A caller that ignores SIGCHLD, or reaps every
/// child, may have it gone already.
fn reap(child: Pid) {
    while waitpid(child, None) == Err(Errno::EINTR) {}
}

/// The daemon's end of the pipe: what it owes the launcher.
#[must_use = "dropping this without a word tells the launcher that the daemon has died"]
pub(crate) struct Readiness {
    pipe: OwnedFd,
}

impl Readiness {
    /// Tells the launcher that the daemon is ready. Fails if there is no launcher any more: whoever has
    /// cancelled it doesn't want the daemon.
    pub(crate) fn ready(self) -> Result<()> {
        self.send(&Message::Ready)
    }

    /// Tells the launcher why there will be no daemon, and ends this process.
    pub(crate) fn failed(self, error: Error) -> ! {
        let _ = self.send(&Message::Failed(error));
        sys::exit_now(1)
    }

    fn send(&self, message: &Message) -> Result<()> {
        let frame = message.encode();
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match write(&self.pipe, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os("cannot tell the launcher", errno)),
            }
        }
        Ok(())
    }
}

/// The launcher's end of the pipe, and what has come out of it.
struct Launch {
    pipe: OwnedFd,
    received: Vec<u8>,
    pid: Option<Pid>,
    process: Option<PidFd>,
}

impl Launch {
    fn new(pipe: OwnedFd) -> Self {
        Self { pipe, received: Vec::new(), pid: None, process: None }
    }

    /// Reads until the last message.
    fn outcome(mut self) -> Result<Pid> {
        loop {
            match self.next()? {
                Some(Message::Born(pid)) => self.pid = Some(Pid::from_raw(pid)),
                Some(Message::Ready) => return self.pid.ok_or_else(died),
                Some(Message::Failed(error)) => {
                    self.watch();
                    self.await_end();
                    return Err(error);
                }
                None => return Err(died()),
            }
        }
    }

    /// Gives the next message; none if the daemon has died without another.
    fn next(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some((message, length)) = Message::decode(&self.received) {
                self.received.drain(..length);
                return Ok(Some(message));
            }
            self.watch();
            if !self.is_readable()? {
                return Ok(None);
            }
            let mut buffer = [0; 4096];
            match read(&self.pipe, &mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os("cannot hear of the daemon", errno)),
            }
        }
    }

    /// Keeps an eye on the daemon itself, once its PID is known.
    fn watch(&mut self) {
        if self.process.is_none() {
            self.process = self.pid.and_then(|pid| PidFd::open(pid).ok());
        }
    }

    /// Sleeps until there is something to read, which is true; or the daemon is dead and has left
    /// nothing to read, though somebody else may still have the pipe open.
    fn is_readable(&self) -> Result<bool> {
        let Some(process) = &self.process else { return Ok(true) };
        let mut fds = [&self.pipe.as_fd(), &process.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => return Ok(fds[0].any().unwrap_or(false)),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::os("cannot wait for the daemon", errno)),
            }
        }
    }

    /// Waits until a daemon that has failed is gone, so that nothing is left when the launcher says so.
    fn await_end(&self) {
        if let Some(process) = &self.process {
            let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            while poll(&mut fds, 1000_u16) == Err(Errno::EINTR) {}
        }
    }
}

fn died() -> Error {
    Error::failed("the daemon died before it was ready")
}

/// What the daemon tells its launcher. A frame is a kind, the payload's length, and the payload.
#[derive(Debug)]
enum Message {
    /// The first one, right after the second fork.
    Born(i32),
    Ready,
    Failed(Error),
}

const BORN: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const ALREADY_RUNNING: u8 = 4;
const UNNAMED: u8 = 5;

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (kind, number, text) = match self {
            Self::Born(pid) => (BORN, *pid, ""),
            Self::Ready => (READY, 0, ""),
            Self::Failed(error) => match error.kind() {
                Kind::AlreadyRunning(pid) => (ALREADY_RUNNING, pid.cast_signed(), ""),
                Kind::Unnamed => (UNNAMED, 0, error.text()),
                _ => (FAILED, error.errno().unwrap_or(0), error.text()),
            },
        };
        let length = u32::try_from(text.len()).expect("a reason is shorter than 4 GiB");
        [&[kind], number.to_ne_bytes().as_slice(), &length.to_ne_bytes(), text.as_bytes()].concat()
    }

    /// Reads the first whole frame, and tells its length.
    fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (kind, rest) = bytes.split_first()?;
        let (number, rest) = rest.split_first_chunk().map(|(n, rest)| (i32::from_ne_bytes(*n), rest))?;
        let (length, rest) = rest.split_first_chunk().map(|(n, rest)| (u32::from_ne_bytes(*n), rest))?;
        let text = rest.get(..length as usize)?;
        let reason = String::from_utf8_lossy(text);
        let message = match *kind {
            BORN => Self::Born(number),
            READY => Self::Ready,
            ALREADY_RUNNING => Self::Failed(Error::already_running(number.cast_unsigned())),
            UNNAMED => Self::Failed(Error::new(Kind::Unnamed, reason)),
            _ if number == 0 => Self::Failed(Error::failed(reason)),
            _ => Self::Failed(Error::os(reason, Errno::from_raw(number))),
        };
        Some((message, bytes.len() - rest.len() + text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_only_when_it_is_whole() {
        let sent = Message::Failed(Error::os("cannot open pidfile /x", Errno::ENOSPC));
        let frame = [sent.encode(), Message::Ready.encode()].concat();
        let (message, length) = Message::decode(&frame).unwrap();
        let Message::Failed(error) = message else { panic!("{message:?}") };
        assert_eq!(error.to_string(), "cannot open pidfile /x: No space left on device (os error 28)");
        assert!(matches!(Message::decode(&frame[length..]), Some((Message::Ready, _))));
        assert!((0..length).all(|cut| Message::decode(&frame[..cut]).is_none()));
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        for error in [Error::already_running(42), Error::unnamed(c"/x"), Error::os("", Errno::EPERM)] {
            let (message, _) = Message::decode(&Message::Failed(error).encode()).unwrap();
            let Message::Failed(error) = message else { panic!("{message:?}") };
            assert!(error.pid() == Some(42) || error.is_unknown() || error.is_permission_denied());
        }
    }
}
