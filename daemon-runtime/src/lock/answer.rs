//! Waiting for the answer of a daemon's body to a reload.

use std::time::Duration;

use crate::command::error::Result;
use crate::command::report::{Phase, Reloaded};
use crate::lock::bytes::Published;
use crate::lock::conversation::Conversation;
use crate::lock::holder::{Holder, Woken};
use crate::progress::Waiting;

/// A connection on which the answer to a reload will come.
pub(crate) struct Expectation {
    conversation: Conversation,
    /// Whether a supervisor keeps the connection. A daemon without one closes it after an answer.
    is_kept: bool,
}

/// The result of a wait for an answer.
pub(crate) enum Answer {
    Reloaded,
    /// The body has failed to reload, for this reason.
    Failed(String),
    /// The body has answered an earlier request, so this one needs another connection.
    ToEarlierRequest,
    /// The body has ended without an answer, or is ending.
    Ended,
    TimedOut,
}

impl Expectation {
    /// Connects to a daemon. Returns `None` if no answer will come: the body takes no reloads, or the daemon cannot be
    /// reached.
    pub(crate) fn of(daemon: &Holder) -> Option<Self> {
        /// The longest time that a supervisor may take for its first report.
        const LONGEST: Duration = Duration::from_secs(1);
        match daemon.published().ok()?? {
            Published::Starting(_) => None,
            Published::Served(number) => {
                let (conversation, report) = Conversation::begin(daemon.pid(), number, LONGEST)?;
                report.takes_reloads.then_some(Self { conversation, is_kept: true })
            }
            Published::Answering(number) => {
                let conversation = Conversation::connect(daemon.pid(), number).ok()?;
                Some(Self { conversation, is_kept: false })
            }
        }
    }

    /// Waits for the answer to a request that was sent after `asked`, on the monotonic clock.
    pub(crate) fn wait(
        mut self,
        daemon: &Holder,
        asked: Duration,
        deadline: Option<Duration>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Answer> {
        loop {
            match self.conversation.read() {
                Ok(Some(report)) => match report.reloaded {
                    Some(Reloaded { at, error }) if at >= asked => {
                        return Ok(error.map_or(Answer::Reloaded, |error| Answer::Failed(error.into_owned())));
                    }
                    Some(_) if self.is_kept => {}
                    Some(_) => return Ok(Answer::ToEarlierRequest),
                    None if report.state == Phase::Running => {}
                    None => return Ok(Answer::Ended),
                },
                Ok(None) => match daemon.wait(Some(self.conversation.as_fd()), deadline, waiting)? {
                    Woken::Readable => {}
                    Woken::Gone => return Ok(Answer::Ended),
                    Woken::TimedOut => return Ok(Answer::TimedOut),
                },
                Err(_) => return Ok(Answer::Ended),
            }
        }
    }
}
