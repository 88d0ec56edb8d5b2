//! A worker that processes jobs from a spool directory, and never loses one to a stop or a crash.
//!
//! Run `cargo run --example worker -- start`, then put jobs into `~/daemon_spool/new`. Each job is
//! a file. Its result, the number of lines, words and bytes as `wc` counts them, appears in
//! `~/daemon_spool/done` under the same name. Another spool directory is one more argument
//! (`start spool`).
//!
//! A job stays in `new` or `work` until its result is in `done`. Jobs and results move only by
//! renaming, which is atomic.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, path};

use daemonic::{Context, daemon};

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

struct Spool {
    new: PathBuf,
    work: PathBuf,
    done: PathBuf,
}

impl Spool {
    fn open(directory: &Path) -> io::Result<Self> {
        let [new, work, done] = ["new", "work", "done"].map(|name| directory.join(name));
        for directory in [&new, &work, &done] {
            fs::create_dir_all(directory)
                .map_err(|error| io::Error::other(format!("cannot make {}: {error}", directory.display())))?;
        }
        Ok(Self { new, work, done })
    }

    /// Moves the next job to `work` and returns its name. A job that a crash has left in `work`
    /// comes first.
    ///
    /// No other process takes jobs, because only one daemon holds the lock on the pidfile.
    fn next(&self) -> io::Result<Option<OsString>> {
        if let Some(job) = first_of(&self.work)? {
            return Ok(Some(job));
        }
        let job = first_of(&self.new)?;
        if let Some(job) = &job {
            fs::rename(self.new.join(job), self.work.join(job))?;
        }
        Ok(job)
    }

    /// Processes a job. A crash leaves the job either in `work`, to be processed again, or done.
    fn perform(&self, job: &OsString) -> io::Result<()> {
        let (path, result) = (self.work.join(job), self.done.join(job));
        let draft = self.done.join(".draft");
        let mut file = File::create(&draft)?;
        file.write_all(count(&fs::read(&path)?).as_bytes())?;
        file.sync_all()?;
        // The rename makes the whole result visible at once.
        fs::rename(draft, result)?;
        fs::remove_file(path)?;
        println!("done: {}", job.to_string_lossy());
        Ok(())
    }
}

/// Returns the first file in a directory, by name. Ignores hidden files: producers write a job
/// under a hidden name and then rename it.
fn first_of(directory: &Path) -> io::Result<Option<OsString>> {
    let mut first = None;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && !name.as_encoded_bytes().starts_with(b".") {
            first = first.into_iter().chain([name]).min();
        }
    }
    Ok(first)
}

fn count(text: &[u8]) -> String {
    let lines = text.split(|byte| *byte == b'\n').count() - 1;
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    format!("{lines} {words} {}\n", text.len())
}

fn home(file: &str) -> PathBuf {
    env::home_dir().expect("a home directory").join(file)
}
