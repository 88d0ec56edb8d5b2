//! One life of a body in a child of the supervisor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::command::error::{Error, Result};
use crate::command::report::Reloaded;
use crate::life::notify::{Relay, ServiceManager};
use crate::life::readiness::{Message, Readiness, channel};
use crate::lock::held::PublishingFile;
use crate::supervise::memory;
use crate::sys::clock::now;
use crate::sys::descriptor::is_readable;
use crate::sys::family::die_with_parent;
use crate::sys::file::FileId;

/// The number of messages that the supervisor takes before it attends to other things.
const MOST_AT_ONCE: usize = 8;

/// The number of messages that it takes from a body that has ended. No more short ones fit into a socket's buffer.
const MOST_AT_END: usize = 1024;

/// The longest time that the supervisor waits for the rest of a message.
const LONGEST_MESSAGE: Duration = Duration::from_secs(1);

/// The supervisor's view of a life.
pub(crate) struct Life {
    pub(crate) pid: Pid,
    /// The time at which the life began, on the monotonic clock.
    pub(crate) since: Duration,
    /// The channel from the body's process, until that process closes it.
    channel: Option<UnixStream>,
    relay: Option<Relay>,
    pub(crate) is_ready: bool,
    /// The text that the body has reported about its end.
    pub(crate) message: Option<String>,
    /// Why the body was not called.
    pub(crate) refusal: Option<Error>,
    /// Whether the body answers reloads.
    pub(crate) takes_reloads: bool,
    /// Whether the body is at a reload.
    pub(crate) is_reloading: bool,
    /// The body's latest answer to a reload, until it is passed on.
    pub(crate) reloaded: Option<Reloaded<'static>>,
    /// The kernel's count of kills for lack of memory, before this life.
    kills_before: Option<u64>,
}

/// The body's side of a life that has not begun: the process has yet to take on the user and to call the body.
pub(crate) struct BodySide {
    pub(crate) supervisor: Pid,
    pub(crate) pidfile: FileId,
    /// The open pidfile, on which a repeating body publishes its socket.
    pub(crate) publishing: Option<PublishingFile>,
    pub(crate) readiness: Readiness,
    pub(crate) service_manager: ServiceManager,
    /// Whether this is the life that a launcher waits for.
    pub(crate) is_first: bool,
    /// The number of respawns, with the end of the life before. None in the first life.
    pub(crate) respawned: Option<(u32, String)>,
}

/// The two ends of the channels between a supervisor and a life that has not begun.
pub(crate) struct Ends {
    supervisor_side: (UnixStream, Option<Relay>),
    body_side: (UnixStream, ServiceManager),
    kills_before: Option<u64>,
}

impl Ends {
    pub(crate) fn new(service_manager: &ServiceManager) -> io::Result<Self> {
        let (supervisor_side, body_side) = channel()?;
        // A body that an attacker has taken over may stop halfway through a message.
        supervisor_side.set_read_timeout(Some(LONGEST_MESSAGE / 4))?;
        let (relay, relayed) = service_manager.relay()?;
        let kills_before = memory::kills();
        Ok(Self { supervisor_side: (supervisor_side, relay), body_side: (body_side, relayed), kills_before })
    }

    /// Keeps the supervisor's ends, for the child that has just been forked.
    pub(crate) fn of_supervisor(self, pid: Pid) -> Life {
        let (channel, relay) = self.supervisor_side;
        Life {
            pid,
            since: now(),
            channel: Some(channel),
            relay,
            is_ready: false,
            message: None,
            refusal: None,
            takes_reloads: false,
            is_reloading: false,
            reloaded: None,
            kills_before: self.kills_before,
        }
    }

    /// Keeps the body's ends, in the child that has just been forked.
    pub(crate) fn of_body(
        self,
        supervisor: Pid,
        pidfile: FileId,
        is_first: bool,
        respawned: Option<(u32, String)>,
    ) -> BodySide {
        let (channel, service_manager) = self.body_side;
        let readiness = Readiness::new(channel);
        BodySide { supervisor, pidfile, publishing: None, readiness, service_manager, is_first, respawned }
    }
}

impl Life {
    /// Returns the descriptors to wait for.
    pub(crate) fn inputs(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [self.channel.as_ref().map(AsFd::as_fd), self.relay.as_ref().map(AsFd::as_fd)]
    }

    /// Takes what the body's process has sent: that the body is ready, why it was not called, how a reload went, or a
    /// text about its end, which is the last message of a life that has ended.
    pub(crate) fn listen(&mut self, has_ended: bool) {
        for _ in 0..if has_ended { MOST_AT_END } else { MOST_AT_ONCE } {
            let Some(channel) = self.channel.as_ref().filter(|channel| is_readable(channel.as_fd())) else {
                return;
            };
            match Message::receive_until(channel, now().checked_add(LONGEST_MESSAGE)) {
                Some(Message::Ready(_)) => self.is_ready = true,
                Some(Message::Failed(_, error)) => self.refusal = Some(error),
                Some(Message::Ended(_, text)) => self.message = Some(text).filter(|text| !text.is_empty()),
                Some(Message::TakesReloads(_)) => self.takes_reloads = true,
                Some(Message::Reloading(_)) => self.is_reloading = true,
                Some(Message::Reloaded(_, reloaded)) => {
                    self.is_reloading = false;
                    self.reloaded = Some(reloaded);
                }
                Some(Message::Waiting(_)) => {}
                // The body may have closed descriptors that it does not know, or sent something else.
                None => self.channel = None,
            }
        }
    }

    /// Passes on the body's messages to the service manager.
    pub(crate) fn relay(&self, service_manager: &ServiceManager) {
        if let Some(relay) = &self.relay {
            relay.pass_on(service_manager);
        }
    }

    /// Signals the body's process, which keeps its PID until it is reaped.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(self.pid, signal);
    }

    /// Returns whether the kernel has killed a process for lack of memory in this life.
    pub(crate) fn has_met_lack_of_memory(&self) -> bool {
        memory::kills().zip(self.kills_before).is_some_and(|(now, before)| now > before)
    }
}

/// Makes the body's process end with its supervisor, even if the supervisor is killed. This must come after the change
/// of user, which would undo it.
pub(crate) fn end_with_supervisor(supervisor: Pid) -> Result<()> {
    die_with_parent()
        .map_err(|errno| Error::os(format_args!("cannot tie the body to its supervisor"), errno))?;
    // The supervisor may have ended just before this call.
    if getppid() == supervisor {
        Ok(())
    } else {
        Err(Error::failed(format_args!("the supervisor has ended")))
    }
}
