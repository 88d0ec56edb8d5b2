//! Waiting until a daemon that is already running is ready.

use std::time::Duration;

use nix::unistd::Pid;

use crate::command::duration::Span;
use crate::command::error::Error;
use crate::command::error::Result;
use crate::command::report::{Phase, Report};
use crate::lock::bytes::{NO_SOCKET, Published};
use crate::lock::conversation::Conversation;
use crate::lock::holder::{Holder, WakeReason};
use crate::lock::pidfile::Pidfile;
use crate::progress::{End, Waiting};
use crate::settings::Plan;
use crate::sys::clock::now;
use crate::sys::procfs;

/// The pause between two looks at a daemon whose channel cannot be reached.
const PAUSE: Duration = Duration::from_millis(50);

/// Returns the state of a running daemon. A supervisor that does not answer counts as running.
pub(crate) fn report(daemon: Pid, published: Option<Published>) -> Option<Report<'static>> {
    const LONGEST: Duration = Duration::from_secs(1);
    match published? {
        Published::Starting(_) => Some(Report::new(Phase::Starting)),
        Published::Served(number) => Some(Conversation::begin(daemon, number, LONGEST)?.1),
        Published::Answering(_) | Published::Reloading(_) => None,
    }
}

/// A wait for a daemon that is already running.
pub(crate) struct ReadinessWait<'a> {
    pidfile: &'a Pidfile,
    plan: &'a Plan<'a>,
    deadline: Option<Duration>,
}

/// The result of one wait for a daemon.
enum Seen {
    Ready,
    /// The daemon's state has changed, so the caller must look again.
    Changed,
    /// The channel cannot be reached, so the caller must look again after a pause.
    Unreachable,
    TimedOut,
}

impl<'a> ReadinessWait<'a> {
    /// Begins a wait of at most `wait_ready`; without that key, the wait has no limit.
    pub(crate) fn new(pidfile: &'a Pidfile, plan: &'a Plan<'a>) -> Self {
        let deadline = plan.settings.wait_ready.and_then(|timeout| now().checked_add(timeout));
        Self { pidfile, plan, deadline }
    }

    /// Waits until the running daemon is ready, and returns its PID, or `None` if no daemon is running.
    ///
    /// # Errors
    ///
    /// Fails if the daemon is not ready in time, or if the holder is unknown or another program.
    pub(crate) fn await_ready(&self) -> Result<Option<Pid>> {
        let mut waiting = self.plan.progress.wait_for(format_args!("the daemon"), End::By(self.deadline));
        while let Some(daemon) = Holder::find(self.pidfile)? {
            waiting.go_on(format_args!("pid {} to be ready", daemon.pid()));
            match self.watch(&daemon, &mut waiting)? {
                Seen::Ready => return Ok(Some(daemon.pid())),
                Seen::Changed => {}
                Seen::Unreachable if self.is_over() => return Err(self.not_ready(&daemon)),
                Seen::Unreachable => {
                    let _ = daemon.wait(None, Some(self.soonest(now() + PAUSE)), &mut waiting)?;
                }
                Seen::TimedOut => return Err(self.not_ready(&daemon)),
            }
        }
        Ok(None)
    }

    fn watch(&self, daemon: &Holder, waiting: &mut Waiting<'_>) -> Result<Seen> {
        match daemon.published()? {
            None | Some(Published::Answering(_) | Published::Reloading(_)) => self.confirm(daemon, waiting),
            Some(Published::Starting(NO_SOCKET)) => Ok(Seen::Unreachable),
            Some(Published::Starting(number) | Published::Served(number)) => {
                match Conversation::connect(daemon.pid(), number) {
                    Ok(conversation) => self.listen(daemon, conversation, waiting),
                    // The daemon's queue is full, or the daemon is in another network namespace.
                    Err(_) => Ok(Seen::Unreachable),
                }
            }
        }
    }

    /// Reads reports until the daemon is running.
    fn listen(
        &self,
        daemon: &Holder,
        mut conversation: Conversation,
        waiting: &mut Waiting<'_>,
    ) -> Result<Seen> {
        loop {
            match conversation.read() {
                // Checked, because the daemon may have ended since it sent the report.
                Ok(Some(report)) if report.state == Phase::Running => {
                    return Ok(if daemon.has_ended() {
                        Seen::Changed
                    } else {
                        self.lives_long_enough(daemon, waiting)?
                    });
                }
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(_) => return Ok(Seen::Unreachable),
            }
            match daemon.wait(Some(conversation.as_fd()), self.deadline, waiting)? {
                WakeReason::Readable => {}
                WakeReason::Gone => return Ok(Seen::Changed),
                WakeReason::TimedOut => return Ok(Seen::TimedOut),
            }
        }
    }

    /// Handles a daemon that publishes nothing: it is ready, unless it has just ended.
    fn confirm(&self, daemon: &Holder, waiting: &mut Waiting<'_>) -> Result<Seen> {
        if daemon.still_holds()? { self.lives_long_enough(daemon, waiting) } else { Ok(Seen::Unreachable) }
    }

    /// Waits, with `wait_alive`, until the daemon has run for that long.
    fn lives_long_enough(&self, daemon: &Holder, waiting: &mut Waiting<'_>) -> Result<Seen> {
        let age = || procfs::age(daemon.pid(), true);
        let Some((needed, age)) = self.plan.settings.wait_alive.and_then(|time| Some((time, age()?))) else {
            return Ok(Seen::Ready);
        };
        let until = now().checked_add(needed.saturating_sub(age));
        Ok(if daemon.wait(None, until, waiting)? == WakeReason::Gone { Seen::Changed } else { Seen::Ready })
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| now() >= deadline)
    }

    fn soonest(&self, moment: Duration) -> Duration {
        self.deadline.map_or(moment, |deadline| deadline.min(moment))
    }

    fn not_ready(&self, daemon: &Holder) -> Error {
        let waited = Span(self.plan.settings.wait_ready.unwrap_or_default());
        Error::not_ready(format_args!("not ready after {waited} (pid {})", daemon.pid()))
    }
}
