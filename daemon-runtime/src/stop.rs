//! Ending the daemon, and making it reload.

use nix::libc;

use crate::error::{Error, Kind, Result};
use crate::holder::Holder;
use crate::pidfile::Pidfile;
use crate::settings::Plan;

/// How a stop has come out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    NotRunning,
    Gone(u32),
    Killed(u32),
}

/// Signals the daemon, waits until it is gone, and kills it if it is still there after `stop_timeout`.
pub(crate) fn stop(plan: &Plan) -> Result<Stopped> {
    let pidfile = &plan.pidfile;
    let Some(daemon) = Holder::find(pidfile)? else {
        // What can't be removed isn't running either.
        let _ = pidfile.remove_stale(false);
        return Ok(Stopped::NotRunning);
    };
    let pid = daemon.pid();
    if daemon.is_own() {
        return Err(Error::failed(format_args!(
            "this is the daemon itself; return from its body, which can take a `Context` to hear of a stop"
        )));
    }
    let killed = daemon.end(plan.keys.stop_signal, plan.keys.stop_timeout)?;
    // It has removed the file itself, if it could; who can't do it here leaves a stale one.
    let _ = pidfile.remove_stale(true);
    let pid = pid.number();
    Ok(if killed { Stopped::Killed(pid) } else { Stopped::Gone(pid) })
}

/// Sends SIGHUP to the daemon, which reopens its logs by it.
pub(crate) fn reload(pidfile: &Pidfile) -> Result<u32> {
    let daemon = Holder::find(pidfile)?.ok_or_else(|| Error::new(Kind::NotRunning, format_args!("")))?;
    daemon.signal(libc::SIGHUP)?;
    Ok(daemon.pid().number())
}
