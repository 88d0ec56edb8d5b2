//! What an action has seen of the daemon, from which its JSON is made.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::command::exit::Exit;
use crate::command::report::{Phase, Report, Runs};

/// What was seen of a daemon at the end of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) state: State,
    /// The process that holds the pidfile, with the time since boot at which it was seen to hold it.
    pub(crate) holder: Option<(u32, Option<Duration>)>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) stdout: Stdout,
    /// What a supervisor has reported.
    pub(crate) report: Option<Report<'static>>,
    /// When the next run is due, if that is known.
    pub(crate) next_run: Option<SystemTime>,
    /// What a repeating daemon has reported.
    pub(crate) runs: Option<Runs>,
    pub(crate) last: Option<End>,
}

/// The file that standard output is appended to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Stdout {
    #[default]
    None,
    /// That of the key.
    Key(PathBuf),
    /// What the holder has open. It is another instance, whose keys this process does not know.
    OfHolder,
}

/// The state of a daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Running,
    Waiting,
    Stopping,
    /// It has ended neither by a stop nor by success, or could not be started.
    Failed,
    Stopped,
    #[default]
    Unknown,
}

/// The end of a daemon, or of one life of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) message: Option<String>,
    pub(crate) at: Option<SystemTime>,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether a process holds the pidfile.
    pub(crate) fn is_held(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Waiting | Self::Stopping)
    }
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Waiting => Self::Waiting,
            Phase::Stopping => Self::Stopping,
        }
    }
}
