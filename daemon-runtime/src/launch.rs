//! Two forks, and the message by which the launcher learns what became of the daemon.
//!
//! ```text
//! launcher ── fork ── first child: setsid ── fork ── daemon: sets itself up
//!    │                    └ _exit, reaped               │
//!    └──────────── pipe: Ready, or Failed(why) ─────────┘
//! ```
//!
//! The first child leads the new session; the daemon doesn't, so it can never get a controlling
//! terminal back ([daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html)). The launcher
//! goes by the message. The end of the pipe without one is a failure: the daemon is dead, since until it is
//! ready nobody else has the pipe open.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, SigmaskHow};
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
            Ok(Side::Daemon(lead_session(writer)))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(writer);
            let _ = mask.thread_set_mask();
            let result = hear(&reader);
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
    SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)
}

/// The first child's life: it returns in its own child only.
fn lead_session(writer: OwnedFd) -> Readiness {
    let readiness = Readiness { pipe: writer };
    if let Err(errno) = setsid() {
        readiness.failed(Error::os("cannot make a session", errno));
    }
    match sys::fork() {
        Err(errno) => readiness.failed(Error::os("cannot fork the daemon", errno)),
        Ok(ForkResult::Parent { .. }) => sys::exit_now(0),
        Ok(ForkResult::Child) => {}
    }
    readiness
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
    /// Tells the launcher that this process is the daemon and ready. Fails if there is no launcher any
    /// more: whoever has cancelled it doesn't want the daemon.
    pub(crate) fn ready(self, pid: Pid) -> Sys<()> {
        self.send(&Message::Ready(pid))
    }

    /// Tells the launcher why there will be no daemon, and ends this process.
    pub(crate) fn failed(self, error: Error) -> ! {
        let _ = self.send(&Message::Failed(getpid(), error));
        sys::exit_now(1)
    }

    fn send(&self, message: &Message) -> Sys<()> {
        let frame = message.encode();
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match write(&self.pipe, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// Reads the daemon's message in the launcher.
fn hear(pipe: &OwnedFd) -> Result<Pid> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match read(pipe, &mut buffer) {
            Ok(0) => return Err(Error::failed("the daemon died before it was ready")),
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("cannot hear of the daemon", errno)),
        }
        match Message::decode(&received) {
            Some(Message::Ready(pid)) => return Ok(pid),
            Some(Message::Failed(pid, error)) => {
                await_end(pid);
                return Err(error);
            }
            None => {}
        }
    }
}

/// Waits until a process that has failed is gone, so that nothing is left when the launcher says so.
fn await_end(pid: Pid) {
    let Ok(process) = PidFd::open(pid) else { return };
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, 1000_u16) == Err(Errno::EINTR) {}
}

/// What the daemon tells its launcher, about which process.
#[derive(Debug)]
enum Message {
    Ready(Pid),
    Failed(Pid, Error),
}

const READY: u8 = 1;
const FAILED: u8 = 2;
const ALREADY_RUNNING: u8 = 3;
const UNNAMED: u8 = 4;

impl Message {
    /// Gives the frame: a kind, three numbers (PID, error number or other PID, length of the text), the text.
    fn encode(&self) -> Vec<u8> {
        let (kind, pid, number, text) = match self {
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

    /// Reads a frame, once it is whole.
    fn decode(frame: &[u8]) -> Option<Self> {
        let (kind, rest) = frame.split_first()?;
        let (pid, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let [pid, number, length] = [pid, number, length].map(|bytes| i32::from_ne_bytes(*bytes));
        let text = String::from_utf8_lossy(rest.get(..length.unsigned_abs() as usize)?);
        let pid = Pid::from_raw(pid);
        Some(match *kind {
            READY => Self::Ready(pid),
            ALREADY_RUNNING => Self::Failed(pid, Error::already_running(Pid::from_raw(number))),
            UNNAMED => Self::Failed(pid, Error::new(Kind::Unnamed, text)),
            _ if number == 0 => Self::Failed(pid, Error::failed(text)),
            _ => Self::Failed(pid, Error::os(text, Errno::from_raw(number))),
        })
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
        let frame = failure(Error::os("cannot open pidfile /x", Errno::ENOSPC)).encode();
        assert!((0..frame.len()).all(|cut| Message::decode(&frame[..cut]).is_none()));
        let Some(Message::Failed(pid, error)) = Message::decode(&frame) else { panic!() };
        assert_eq!(pid.as_raw(), 7);
        assert_eq!(error.to_string(), "cannot open pidfile /x: No space left on device (os error 28)");
    }

    #[test]
    fn a_failure_keeps_its_kind() {
        let sent = |error| match Message::decode(&failure(error).encode()) {
            Some(Message::Failed(_, error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(sent(Error::already_running(Pid::from_raw(42))).pid(), Some(42));
        assert!(sent(Error::unnamed(c"/x")).is_unknown());
        assert!(sent(Error::os("", Errno::EPERM)).is_permission_denied());
    }
}
