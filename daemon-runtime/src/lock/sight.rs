//! What can be seen of a daemon from outside: its presence, with what it reports about itself.

use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;

#[cfg(feature = "cron")]
use crate::command::error::Error;
use crate::command::error::Result;
use crate::command::outcome::{Answer, Outcome};
use crate::command::report::{Phase, Report, Runs};
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;
use crate::lock::caller;
use crate::lock::holder::Holder;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::lock::ready;
#[cfg(feature = "cron")]
use crate::lock::retry::Retry;
use crate::sys::process::number;
use crate::sys::procfs;

/// What one look at a daemon has seen.
pub(crate) struct Sight {
    presence: Presence,
    /// Root's pidfile, if the daemon is not the user's own but root's.
    root_pidfile: Option<PathBuf>,
    report: Option<Report<'static>>,
}

impl Sight {
    /// Looks at the daemon. If it is a supervisor, this waits for its report, at most a second. If it repeats its body,
    /// this asks about the runs.
    ///
    /// # Errors
    ///
    /// Fails if the holder is unknown or another program, or if the pidfile cannot be examined.
    pub(crate) fn take(pidfile: &Pidfile, repeats: bool) -> Result<Self> {
        let (presence, root_default) = pidfile.presence_or_root()?;
        let root_pidfile = root_default.map(|path| path.as_path().into());
        let held = if root_pidfile.is_some() { pidfile.root_default() } else { Some(pidfile) };
        let repeats = repeats && held.is_some();
        Ok(Self { root_pidfile, ..Self::of(presence, held.unwrap_or(pidfile), repeats) })
    }

    /// Adds the daemon's reports to a presence that is already known. This waits as [`take`](Self::take) does.
    pub(crate) fn of(presence: Presence, pidfile: &Pidfile, repeats: bool) -> Self {
        let (report, runs) = match presence {
            Presence::Running { pid, published, .. } => {
                let report = ready::report(pid, published);
                (report, if repeats { runs(pidfile, pid) } else { None })
            }
            Presence::NotRunning | Presence::Stale | Presence::Failed(_) => (None, None),
        };
        let report = match runs {
            None => report,
            runs => Some(Report { runs, ..report.unwrap_or(Report::new(Phase::Running)) }),
        };
        Self { presence, root_pidfile: None, report }
    }

    /// Returns the holder, if there is one, and whether `/proc` has confirmed that it has the lock.
    pub(crate) fn running(&self) -> Option<(Pid, bool)> {
        match self.presence {
            Presence::Running { pid, is_verified, .. } => Some((pid, is_verified)),
            Presence::NotRunning | Presence::Stale | Presence::Failed(_) => None,
        }
    }

    /// Returns when the next run is due, as a time since 1970, if the daemon has reported it.
    #[cfg(any(feature = "cron", feature = "json"))]
    pub(crate) fn next_run(&self) -> Option<Duration> {
        self.report.as_ref()?.runs?.next
    }

    /// Asks a daemon when its next run is due, as a time since 1970.
    ///
    /// # Errors
    ///
    /// Fails if the daemon is not running, or does not report the time.
    #[cfg(feature = "cron")]
    pub(crate) fn ask_for_next_run(pidfile: &Pidfile) -> Result<Duration> {
        let mut retry = Retry::default();
        loop {
            let sight = Self::take(pidfile, true)?;
            let Some((pid, _)) = sight.running() else {
                return Err(Error::failed(format_args!(
                    "it is not running, and its runs are counted from its start"
                )));
            };
            if let Some(next) = sight.next_run() {
                return Ok(next);
            }
            // A daemon that has just started may not know it yet.
            if retry.is_over() {
                return Err(Error::failed(format_args!("the daemon (pid {pid}) does not say when")));
            }
        }
    }

    /// Returns the answer of `status`.
    pub(crate) fn answer(&self, pidfile: &Pidfile) -> Answer {
        match &self.presence {
            Presence::NotRunning => Answer::NotRunning,
            Presence::Stale => Answer::Stale { pidfile: pidfile.path().as_path().into() },
            Presence::Failed(failure) => Answer::Failed {
                pidfile: pidfile.path().as_path().into(),
                ago: failure.ago(),
                exit: failure.exit,
                message: failure.message.clone(),
            },
            Presence::Running { pid, is_verified, .. } => {
                let up = procfs::age(*pid, *is_verified).map(|age| Duration::from_secs(age.as_secs()));
                Answer::of_running(number(*pid), up, self.report.as_ref())
            }
        }
    }

    /// Adds to an outcome what its answer does not say.
    pub(crate) fn add_to(self, outcome: Outcome) -> Outcome {
        #[cfg(feature = "json")]
        let outcome = outcome.seen(|snapshot| self.show(snapshot));
        outcome.with_pidfile(self.root_pidfile).with_report(self.report)
    }

    /// Does what [`add_to`](Self::add_to) does, for one of many daemons, whose pidfile the message names.
    pub(crate) fn add_to_one_of_many(self, outcome: Outcome, pidfile: &Pidfile) -> Outcome {
        #[cfg(feature = "json")]
        let outcome = outcome.with_snapshot(Snapshot::of_sibling(pidfile));
        self.add_to(outcome).with_pidfile(Some(pidfile.path().as_path().into()))
    }
}

/// Asks a daemon about its runs. Another user's daemon does not answer. If another daemon has taken its place since it
/// was seen, that one is not asked.
fn runs(pidfile: &Pidfile, seen: Pid) -> Option<Runs> {
    let daemon = Holder::find(pidfile).ok()??;
    if daemon.is_own() || daemon.pid() != seen { None } else { caller::runs(&daemon) }
}

#[cfg(feature = "json")]
pub(crate) use json::describe;

/// What JSON shows of a sight.
#[cfg(feature = "json")]
mod json {
    use std::path::Path;
    use std::time::SystemTime;

    use super::Sight;
    use crate::command::action::Action;
    use crate::command::outcome::Result;
    use crate::command::path::SystemPath;
    use crate::command::snapshot::{End, Snapshot, State, Stdout};
    use crate::lock::bytes::Published;
    use crate::lock::failure::Failure;
    use crate::lock::look::Presence;
    use crate::lock::pidfile::Pidfile;
    use crate::settings::{BodyCalls, Plan};
    use crate::sys::process::number;
    use crate::sys::procfs;

    /// Adds to the result of an action what its JSON reports about the daemon.
    ///
    /// The daemon is looked at once more, because actions other than `status` do not see all of it. After a failed
    /// `status`, or a stop that has succeeded, there is nothing more to see.
    pub(crate) fn describe(plan: Option<&Plan<'_>>, action: Action, result: Result) -> Result {
        let unseen = plan.map_or_else(Snapshot::default, Snapshot::of);
        let repeats = plan.is_some_and(|plan| plan.settings.calls != BodyCalls::Once);
        let take = |pidfile: &Pidfile| Sight::take(pidfile, repeats);
        let look = |pidfile: Option<Pidfile>, unseen: Snapshot| match pidfile.as_ref().map(take) {
            Some(Ok(sight)) => sight.show(unseen),
            Some(Err(_)) | None => unseen,
        };
        let see = |unseen| look(plan.map(Pidfile::new), unseen);
        let see_sibling = |unseen: Snapshot| {
            let path = unseen.pidfile.clone().and_then(SystemPath::new);
            look(path.map(Pidfile::of_this_program), unseen)
        };
        match (action, result) {
            (Action::Status | Action::Stop, Ok(outcome)) => Ok(outcome.seen_again(see_sibling).in_json()),
            (_, Ok(outcome)) => Ok(outcome.with_snapshot(see(unseen)).in_json()),
            (Action::Status, Err(error)) => Err(error.in_json(unseen)),
            (_, Err(error)) => Err(error.in_json(see(unseen))),
        }
    }

    impl Snapshot {
        /// Makes a snapshot in which the daemon has not been seen.
        pub(crate) fn of(plan: &Plan<'_>) -> Self {
            let stdout = plan.stdout.as_path();
            let has_log = stdout != Path::new("/dev/null");
            Self {
                pidfile: Some(plan.pidfile.as_path().into()),
                stdout: if has_log { Stdout::Key(stdout.into()) } else { Stdout::None },
                #[cfg(feature = "cron")]
                next_run: plan.settings.next_run(None).map(|run| run.at()),
                ..Self::default()
            }
        }

        /// Makes a snapshot of another daemon of this program, which has not been seen.
        pub(crate) fn of_sibling(pidfile: &Pidfile) -> Self {
            let pidfile = pidfile.path().as_path().into();
            Self { pidfile: Some(pidfile), stdout: Stdout::OfHolder, ..Self::default() }
        }
    }

    impl Sight {
        /// Shows what has just been seen.
        pub(super) fn show(&self, unseen: Snapshot) -> Snapshot {
            let mut snapshot = unseen;
            if let Some(root_default) = &self.root_pidfile {
                snapshot.pidfile = Some(root_default.clone());
            }
            snapshot.state = match &self.presence {
                Presence::NotRunning => State::Stopped,
                Presence::Stale => State::Failed,
                Presence::Failed(Failure { at, exit, message }) => {
                    snapshot.last = Some(End { exit: *exit, message: message.clone(), at: Some(*at) });
                    State::Failed
                }
                Presence::Running { pid, published, .. } => {
                    // Only a supervisor has reported.
                    if matches!(published, Some(Published::Served(_))) {
                        snapshot.report.clone_from(&self.report);
                    }
                    snapshot.runs = self.report.as_ref().and_then(|report| report.runs);
                    let reported = self.next_run().and_then(|next| SystemTime::UNIX_EPOCH.checked_add(next));
                    snapshot.next_run = reported.or(snapshot.next_run);
                    snapshot.holder = Some((number(*pid), procfs::moment()));
                    self.report.as_ref().map_or(State::Running, |report| report.state.into())
                }
            };
            snapshot
        }
    }
}
