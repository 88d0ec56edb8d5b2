//! A worker that processes jobs from a spool directory, and never loses one to a stop or a crash.
//!
//! Run `cargo run --example worker -- start`, then put jobs into `~/daemon_spool/new`. Each job is
//! a file. Its result, the number of lines, words and bytes as `wc` counts them, appears in
//! `~/daemon_spool/done` under the same name. Another spool directory is one more argument
//! (`start spool`).
//!
//! A job stays in `new` or `work` until its result is in `done`. Jobs and results move only by
//! renaming, which is atomic.

mod spool;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, path};

use daemonic::{Context, daemon};

use crate::spool::Spool;

fn main() -> ExitCode {
    let spool = env::args_os().nth(2).map_or_else(|| home("daemon_spool"), PathBuf::from);
    // The directory of a daemon in the background is `/`, so a relative path would lead elsewhere.
    match path::absolute(spool) {
        Ok(spool) => daemonic::report(worker(env::args().nth(1), &spool)),
        Err(error) => {
            eprintln!("worker: cannot find the spool directory: {error}");
            ExitCode::FAILURE
        }
    }
}

#[daemon(
    pidfile = home("daemon_worker.pid"),
    stdout = home("daemon_worker.log"),
    wait_ready = "10s",
    stop_timeout = "1m",
)]
fn worker(directory: &Path, context: &Context) -> io::Result<()> {
    let spool = Spool::open(directory)?;
    context.ready();
    // Without a `Context`, SIGTERM would end the process in the middle of a job.
    while !context.is_stopping() {
        match spool.next()? {
            Some(job) => spool.perform(&job)?,
            // A stop ends the wait early.
            None => _ = context.wait(Duration::from_millis(200)),
        }
    }
    Ok(())
}

fn home(file: &str) -> PathBuf {
    env::home_dir().expect("a home directory").join(file)
}
