//! Waiting for the answer of a daemon's body to a reload.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::command::error::{Error, Result};
use crate::command::report::{Phase, Reloaded, Report};
use crate::lock::bytes::Published;
use crate::lock::conversation::Conversation;
use crate::lock::holder::{Holder, WakeReason};
use crate::progress::Waiting;
use crate::sys::clock::now;
use crate::sys::descriptor::is_readable;

/// The time that a body has to take a reload. A body that waits for an event takes it at once.
const TO_TAKE: Duration = Duration::from_secs(2);

/// A connection on which the answer to a reload will come.
pub(crate) struct Expectation {
    conversation: Conversation,
    /// The supervisor's latest word on whether the body is at a reload. None for a daemon without a supervisor, which
    /// closes the connection after an answer, and shows on its pidfile whether the body is at a reload.
    is_reloading: Option<bool>,
    /// The supervised body that the request is for, as the supervisor has named it.
    body: Option<u32>,
}

/// The result of a wait for an answer.
pub(crate) enum ReloadAnswer {
    Reloaded,
    /// The body has failed to reload, for this reason.
    Failed(String),
    /// The body has asked for reloads before, but not taken this one.
    NotTaken,
    /// The body has answered an earlier request, so this one needs another connection.
    ToEarlierRequest,
    /// The body has ended without an answer, or is ending.
    Ended,
    TimedOut,
}

impl Expectation {
    /// Connects to a daemon. Returns `None` if no answer will come: the body has never asked for reloads, or the daemon
    /// cannot be reached.
    pub(crate) fn of(daemon: &Holder) -> Option<Self> {
        /// The longest time that a supervisor may take for its first report.
        const LONGEST: Duration = Duration::from_secs(1);
        match daemon.published().ok()?? {
            Published::Starting(_) => None,
            Published::Served(number) => {
                let (conversation, report) = Conversation::begin(daemon.pid(), number, LONGEST)?;
                let is_reloading = Some(report.is_reloading);
                let body = pid_of_body(&report);
                report.takes_reloads.then_some(Self { conversation, is_reloading, body })
            }
            Published::Answering(number) | Published::Reloading(number) => {
                let connect = || Conversation::connect(daemon.pid(), number).ok();
                let mut conversation = connect()?;
                // The body is just sending the answer to an earlier request.
                if !matches!(conversation.read(), Ok(None)) {
                    conversation = connect()?;
                }
                Some(Self { conversation, is_reloading: None, body: None })
            }
        }
    }

    /// Waits for the answer to a request that was sent after `asked`, on the monotonic clock.
    ///
    /// # Errors
    ///
    /// Fails if the connection cannot be read, or the daemon cannot be watched.
    pub(crate) fn wait(
        mut self,
        daemon: &Holder,
        asked: Duration,
        deadline: Option<Duration>,
        waiting: &mut Waiting<'_>,
    ) -> Result<ReloadAnswer> {
        let earlier = |moment: Duration| deadline.map_or(moment, |deadline| deadline.min(moment));
        // The end of the wait for a body that has not taken the reload yet.
        let mut to_take = Some(earlier(asked + TO_TAKE));
        loop {
            match self.conversation.read() {
                Ok(Some(report)) => {
                    self.is_reloading = self.is_reloading.map(|_| report.is_reloading);
                    match report.reloaded {
                        Some(Reloaded { at, error }) if at >= asked => {
                            let failed = |error: Cow<'_, str>| ReloadAnswer::Failed(error.into_owned());
                            return Ok(error.map_or(ReloadAnswer::Reloaded, failed));
                        }
                        Some(_) if self.is_reloading.is_none() => return Ok(ReloadAnswer::ToEarlierRequest),
                        // The earlier reload has been answered, so the body can take this one from now on.
                        Some(_) => to_take = Some(earlier(now() + TO_TAKE)),
                        None if self.may_be_answered(&report) => {}
                        None => return Ok(ReloadAnswer::Ended),
                    }
                }
                Ok(None) => {
                    match daemon.wait(Some(self.conversation.as_fd()), to_take.or(deadline), waiting)? {
                        WakeReason::Readable => {}
                        WakeReason::Gone => return Ok(ReloadAnswer::Ended),
                        WakeReason::TimedOut if to_take.is_none() => return Ok(ReloadAnswer::TimedOut),
                        WakeReason::TimedOut if self.is_reloading(daemon)? => to_take = None,
                        // The body has taken the reload since, and answered it.
                        WakeReason::TimedOut if is_readable(self.conversation.as_fd()) => {}
                        WakeReason::TimedOut => return Ok(ReloadAnswer::NotTaken),
                    }
                }
                Err(error) => return Self::ended(daemon, &error),
            }
        }
    }

    /// Returns whether an answer can still follow a report that has none.
    ///
    /// A body may take reloads before it is ready. A body that is asked to stop finishes the reload that it is at, and
    /// takes no other.
    fn may_be_answered(&self, report: &Report<'_>) -> bool {
        pid_of_body(report) == self.body
            && match report.state {
                Phase::Starting | Phase::Running => true,
                Phase::Stopping => report.is_reloading,
                Phase::Waiting => false,
            }
    }

    /// Returns whether the body is at a reload.
    fn is_reloading(&self, daemon: &Holder) -> Result<bool> {
        match self.is_reloading {
            Some(is_reloading) => Ok(is_reloading),
            None => Ok(matches!(daemon.published()?, Some(Published::Reloading(_)))),
        }
    }

    /// Returns what the end of the connection means.
    fn ended(daemon: &Holder, error: &io::Error) -> Result<ReloadAnswer> {
        match error.raw_os_error().map(Errno::from_raw) {
            // The daemon has closed the connection, or has sent what this version does not understand.
            None | Some(Errno::ECONNRESET) => Ok(ReloadAnswer::Ended),
            Some(errno) => {
                Err(Error::os(format_args!("cannot read the answer of pid {}", daemon.pid()), errno))
            }
        }
    }
}

fn pid_of_body(report: &Report<'_>) -> Option<u32> {
    report.body.as_ref().map(|body| body.pid)
}
