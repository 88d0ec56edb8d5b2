//! The requests to a daemon: to stop, to reload, to do a run.

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid};

use crate::command;
use crate::command::duration::Span;
use crate::command::error::{Error, Result};
use crate::command::report::Ran;
use crate::lock::answer::{Expectation, ReloadAnswer};
use crate::lock::caller;
use crate::lock::holder::{Effect, Holder};
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::lock::removal::Evidence;
use crate::lock::retry::Retry;
use crate::progress::End;
use crate::settings::Plan;
use crate::sys::clock::now;

/// The result of a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    NotRunning,
    Ended(Pid),
    /// Killed, because it did not exit after this signal.
    Killed(Pid, command::signal::Signal),
}

/// Signals the daemon, waits until it is gone, and kills it if it is still there after `stop_timeout`.
pub(crate) fn stop(pidfile: &Pidfile, plan: &Plan<'_>) -> Result<Stopped> {
    let Some(daemon) = find(pidfile)? else {
        // A file that cannot be removed does not make the daemon running.
        let _ = pidfile.remove_stale(Evidence::Locks);
        return Ok(Stopped::NotRunning);
    };
    if daemon.is_own() {
        return Err(Error::failed(format_args!(
            "this is the daemon itself; return from its body, which can wait for a stop by a `Context`"
        )));
    }
    let signal = daemon.stop_signal(plan.settings.stop_signal);
    let is_killed = daemon.end(signal, plan)?;
    pidfile.await_body_end();
    // The daemon has removed the file itself if it could. If this process cannot either, a stale one stays.
    let _ = pidfile.remove_stale(Evidence::SeenToEnd);
    let pid = daemon.pid();
    Ok(if is_killed { Stopped::Killed(pid, signal) } else { Stopped::Ended(pid) })
}

/// Sends SIGHUP to the daemon, which makes it reopen its logs. If its body takes the reload, waits for the answer, but
/// no longer than `stop_timeout`.
pub(crate) fn reload(pidfile: &Pidfile, plan: &Plan<'_>) -> Result<Pid> {
    reload_by(pidfile, plan, |daemon| daemon.signal(Signal::SIGHUP))
}

/// Does what [`reload`] does, with another way to send SIGHUP.
pub(crate) fn reload_by(
    pidfile: &Pidfile,
    plan: &Plan<'_>,
    send: impl Fn(&Holder) -> Result<()>,
) -> Result<Pid> {
    /// The number of requests that are sent at most. After the last, an answer to an earlier request is enough.
    const MOST_REQUESTS: usize = 3;
    let daemon = find(pidfile)?.ok_or_else(Error::not_running)?;
    let pid = daemon.pid();
    require_handler(&daemon)?;
    let deadline = now().checked_add(plan.settings.stop_timeout);
    let mut waiting =
        plan.progress.wait_for(format_args!("the body of pid {pid} to reload"), End::By(deadline));
    for _ in 0..MOST_REQUESTS {
        // Connected first, so that the answer to this request is not missed.
        let expectation = Expectation::of(&daemon);
        let asked = now();
        send(&daemon)?;
        let Some(expectation) = expectation else { break };
        match expectation.wait(&daemon, asked, deadline, &mut waiting)? {
            ReloadAnswer::Reloaded | ReloadAnswer::NotTaken => break,
            ReloadAnswer::Failed(reason) => return Err(Error::failed(format_args!("{reason}"))),
            ReloadAnswer::ToEarlierRequest => {}
            ReloadAnswer::Ended => {
                return Err(Error::failed(format_args!(
                    "the body of pid {pid} ended before it had reloaded"
                )));
            }
            ReloadAnswer::TimedOut => {
                let waited = Span(plan.settings.stop_timeout);
                return Err(Error::failed(format_args!(
                    "the body of pid {pid} has not reloaded within {waited}"
                )));
            }
        }
    }
    Ok(pid)
}

/// Fails if the daemon ignores SIGHUP, or would die of it. A daemon in the foreground of a program with several threads
/// would die of it until it has been set up, so this waits for that for a second.
fn require_handler(daemon: &Holder) -> Result<()> {
    let (pid, mut retry) = (daemon.pid(), Retry::default());
    loop {
        match daemon.effect_of(Signal::SIGHUP) {
            Effect::Taken => return Ok(()),
            Effect::Ignored => {
                return Err(Error::failed(format_args!(
                    "pid {pid} ignores SIGHUP, which it got from its caller, for example `nohup`"
                )));
            }
            Effect::Default if retry.is_over() => {
                return Err(Error::failed(format_args!(
                    "pid {pid} has no handler for SIGHUP, and would die of it"
                )));
            }
            Effect::Default => {}
        }
    }
}

/// The result of a request for a run.
pub(crate) enum RunRequest {
    NotRunning,
    /// The daemon has done the run.
    Ran(Pid, Ran<'static>),
}

/// Makes the daemon do a run now, and waits for its end. If the daemon ends before the run has begun, looks again. If
/// it closes the connection for another reason, or cannot be reached, tries again for a second.
pub(crate) fn once(pidfile: &Pidfile, plan: &Plan<'_>) -> Result<RunRequest> {
    let mut waiting = plan.progress.wait_for(format_args!("the daemon"), End::By(None));
    let mut retry = Retry::default();
    while let Some(daemon) = find(pidfile)? {
        let pid = daemon.pid();
        if daemon.is_own() {
            return Err(Error::failed(format_args!("this is the daemon itself, which runs by itself")));
        }
        waiting.go_on(format_args!("pid {pid} to do a run"));
        match caller::once(&daemon, &mut waiting)? {
            caller::RunAnswer::Ran(ran) => return Ok(RunRequest::Ran(pid, ran)),
            // The daemon is ending, or the daemon or its body is just being set up.
            caller::RunAnswer::NotBegun | caller::RunAnswer::Unreachable
                if daemon.has_ended() || !retry.is_over() => {}
            caller::RunAnswer::Ended => {
                return Err(Error::failed(format_args!("pid {pid} ended before the run had ended")));
            }
            caller::RunAnswer::BodyEnded => {
                return Err(Error::failed(format_args!(
                    "the body of pid {pid} ended before the run had ended"
                )));
            }
            caller::RunAnswer::NotBegun | caller::RunAnswer::Unreachable => {
                return Err(Error::failed(format_args!(
                    "pid {pid} takes no requests; perhaps its body is about to be respawned, or it is an earlier version"
                )));
            }
        }
    }
    Ok(RunRequest::NotRunning)
}

/// Finds the daemon. If an ordinary user's own is not running, or has a pidfile out of reach, looks for root's. Refuses
/// root's daemon, unless this process is root's daemon and has become that user.
fn find(pidfile: &Pidfile) -> Result<Option<Holder>> {
    let own = Holder::find(pidfile);
    let is_missing = own.as_ref().map_or_else(|error| pidfile.is_out_of_reach(error), Option::is_none);
    let Some(root_default) = pidfile.root_default().filter(|_| is_missing) else { return own };
    match root_default.presence() {
        Ok(Presence::Running { pid, .. }) if pid == getpid() => Holder::find(root_default),
        Ok(Presence::Running { pid, .. }) => Err(Error::daemon_of_root(root_default.path(), pid)),
        _ => own,
    }
}
