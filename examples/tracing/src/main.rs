//! A daemon whose log is written by `tracing`.
//!
//! Try `cargo run -p example-tracing -- start`, then `reload` and `stop`, and read `~/daemon_tracing.log`.
//! Another period, in seconds, is one more argument (`start 0.5`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io, panic};

use daemonic::{Context, Event, daemon};
use tracing::{dispatcher, error, info};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

fn main() -> ExitCode {
    // In the daemon a panic is an event, so std's own text about it is printed in the launcher only.
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !dispatcher::has_been_set() {
            print(info);
        }
    }));
    let period = env::args().nth(2).unwrap_or("5".into());
    daemonic::report(tracing(env::args().nth(1), &period))
}

#[daemon(pidfile = home("daemon_tracing.pid"), stdout = home("daemon_tracing.log"), wait_ready = "10s")]
fn tracing(period: &str, context: &Context) -> Result<(), String> {
    let _writes_the_rest = begin_to_log();
    // The runtime's own event about an error would come after the end of the writer.
    beat(period, context).inspect_err(|error| error!("{error}"))
}

/// Begins to log by a thread of its own. A thread does not survive a fork, so this must be called in the daemon.
///
/// The thread writes to the standard output, which is the log. A reload replaces the file behind it.
fn begin_to_log() -> WorkerGuard {
    let (writer, guard) = NonBlocking::new(io::stdout());
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).init();
    guard
}

fn beat(period: &str, context: &Context) -> Result<(), String> {
    let seconds = period.parse().map_err(|error| format!("{period:?} is no number of seconds: {error}"))?;
    let period = Duration::from_secs_f64(seconds);
    info!(?period, "ready");
    context.ready();
    for beat in 1.. {
        match context.next_event(period) {
            Some(Event::Stop) => break,
            Some(_) => info!("there is nothing to reload"),
            None => info!(beat, "still here"),
        }
    }
    Ok(())
}

fn home(file: &str) -> PathBuf {
    env::home_dir().unwrap_or_else(env::temp_dir).join(file)
}
