//! Calling a repeating daemon: for a run, or to ask about its runs.

use std::time::Duration;

use crate::command::error::Result;
use crate::command::report::{Phase, Ran, Report, Runs};
use crate::lock::bytes::Published;
use crate::lock::calls::{ONCE, RUNS, WAKING};
use crate::lock::conversation::Conversation;
use crate::lock::holder::{Holder, WakeReason};
use crate::lock::ready;
use crate::lock::retry::Retry;
use crate::progress::{End, Progress, Waiting};
use crate::sys::clock::now;

/// The longest time that a daemon may take for an answer that waits for no run.
const LONGEST: Duration = Duration::from_secs(1);

/// The result of a request for a run.
pub(crate) enum RunAnswer {
    Ran(Ran<'static>),
    /// The daemon ended, or closed the connection, before the run began.
    NotBegun,
    /// The daemon ended during the run.
    Ended,
    /// The body ended during the run, and not its supervisor.
    BodyEnded,
    /// The daemon takes no calls, or cannot be reached.
    Unreachable,
}

/// Asks a daemon about its runs. Returns `None` if it takes no calls from this user.
pub(crate) fn runs(daemon: &Holder) -> Option<Runs> {
    let (process, mut conversation) = call(daemon, RUNS).ok()??;
    let deadline = now().checked_add(LONGEST);
    let silent = Progress::silent();
    let mut waiting = silent.wait_for(format_args!("it"), End::By(deadline));
    read(process.as_ref().unwrap_or(daemon), &mut conversation, deadline, &mut waiting).ok()??.runs
}

/// Makes a daemon do a run, and waits for its end.
pub(crate) fn once(daemon: &Holder, waiting: &mut Waiting<'_>) -> Result<RunAnswer> {
    let Some((body, mut conversation)) = call(daemon, ONCE)? else { return refused(daemon, waiting) };
    let process = body.as_ref().unwrap_or(daemon);
    let mut has_begun = false;
    while let Some(report) = read(process, &mut conversation, None, waiting)? {
        if let Some(ran) = report.ran {
            return Ok(RunAnswer::Ran(ran));
        }
        has_begun = true;
    }
    Ok(match body {
        _ if !has_begun => RunAnswer::NotBegun,
        Some(_) => RunAnswer::BodyEnded,
        None => RunAnswer::Ended,
    })
}

/// Returns why a daemon takes no call. If its supervisor is ending, waits until it has ended.
fn refused(daemon: &Holder, waiting: &mut Waiting<'_>) -> Result<RunAnswer> {
    let report = ready::report(daemon.pid(), daemon.published()?);
    if report.is_none_or(|report| report.state != Phase::Stopping) {
        return Ok(RunAnswer::Unreachable);
    }
    daemon.wait(None, None, waiting)?;
    Ok(RunAnswer::NotBegun)
}

/// Waits for the next report. Returns `None` if none will come.
fn read(
    process: &Holder,
    conversation: &mut Conversation,
    deadline: Option<Duration>,
    waiting: &mut Waiting<'_>,
) -> Result<Option<Report<'static>>> {
    loop {
        match conversation.read() {
            Ok(Some(report)) => return Ok(Some(report)),
            Err(_) => return Ok(None),
            Ok(None) => {}
        }
        match process.wait(Some(conversation.as_fd()), deadline, waiting)? {
            WakeReason::Readable => {}
            // The process may have answered just before its end.
            WakeReason::Gone => return Ok(conversation.read().ok().flatten()),
            WakeReason::TimedOut => return Ok(None),
        }
    }
}

/// Connects to the process of a daemon's body, and sends a word. Returns the connection, with the process if it is not
/// the daemon itself, or `None` if the process takes no calls or cannot be reached.
fn call(daemon: &Holder, word: &str) -> Result<Option<(Option<Holder>, Conversation)>> {
    let body = match daemon.published()? {
        Some(Published::Served(number)) => {
            let report = Conversation::begin(daemon.pid(), number, LONGEST).map(|(_, report)| report);
            let body = report.and_then(|report| report.body).and_then(|body| daemon.body(body.pid));
            if body.is_none() {
                return Ok(None);
            }
            body
        }
        _ => None,
    };
    let process = body.as_ref().unwrap_or(daemon);
    // A process without a handler never opens a socket.
    if !process.catches(WAKING) {
        return Ok(None);
    }
    let Some(number) = number(daemon, process)? else { return Ok(None) };
    let Ok(conversation) = Conversation::connect(process.pid(), number) else { return Ok(None) };
    if !conversation.send(word) {
        return Ok(None);
    }
    process.signal(WAKING)?;
    Ok(Some((body, conversation)))
}

/// Returns the number of a process's socket. The process opens the socket when it is woken for the first time.
fn number(daemon: &Holder, process: &Holder) -> Result<Option<i32>> {
    if let Some(number) = daemon.calls(process.pid())? {
        return Ok(Some(number));
    }
    process.signal(WAKING)?;
    let mut retry = Retry::default();
    loop {
        match daemon.calls(process.pid())? {
            None if process.has_ended() || retry.is_over() => return Ok(None),
            None => {}
            number => return Ok(number),
        }
    }
}
