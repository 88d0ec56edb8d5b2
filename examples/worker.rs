//! A worker over a spool folder, which never loses a job: not by a stop, not by a crash.
//!
//! `cargo run --example worker -- start`, then put jobs into `~/daemon_spool/new`. Each is a file, and its result
//! (the lines, words and bytes in it, as `wc` counts them) appears in `~/daemon_spool/done` under the same name.
//!
//! A job is in `new` or `work` until its result is in `done`, because jobs and results move by renames only, which happen
//! wholly or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, daemon};

fn main() -> ExitCode {
    daemonic::report(worker(std::env::args().nth(1), &home("daemon_spool")))
}

#[daemon(
    pidfile = home("daemon_worker.pid"),
    stdout = home("daemon_worker.log"),
    wait_ready = "10s",
    stop_timeout = "1m",
)]
fn worker(folder: &Path, context: &Context) -> io::Result<()> {
    let spool = Spool::open(folder)?;
    context.ready();
    // Without a `Context`, SIGTERM would end the process in the middle of a job.
    while !context.is_stopping() {
        match spool.next()? {
            Some(job) => spool.perform(&job)?,
            // Ends early if a stop is asked for; the loop's condition sees it.
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
    fn open(folder: &Path) -> io::Result<Self> {
        let [new, work, done] = ["new", "work", "done"].map(|name| folder.join(name));
        for folder in [&new, &work, &done] {
            fs::create_dir_all(folder)
                .map_err(|error| io::Error::other(format!("cannot make {}: {error}", folder.display())))?;
        }
        Ok(Self { new, work, done })
    }

    /// Gives the name of the job that is in work: one that a crash has left there, else the next new one.
    ///
    /// Nobody else takes jobs, since there is only one daemon: it holds the lock on its pidfile.
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

    /// Does a job. A crash at any point leaves it in `work`, to be done again, or wholly done.
    fn perform(&self, job: &OsString) -> io::Result<()> {
        let (path, result) = (self.work.join(job), self.done.join(job));
        let draft = self.done.join(".draft");
        let mut file = File::create(&draft)?;
        file.write_all(count(&fs::read(&path)?).as_bytes())?;
        file.sync_all()?;
        // Whoever waits for the result sees all of it or nothing.
        fs::rename(draft, result)?;
        fs::remove_file(path)?;
        println!("done: {}", job.to_string_lossy());
        Ok(())
    }
}

/// Gives the first file in a folder, by name. Hidden ones are still being written: who brings a job writes it
/// under such a name and then renames it.
fn first_of(folder: &Path) -> io::Result<Option<OsString>> {
    let mut first = None;
    for entry in fs::read_dir(folder)? {
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
    std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(file)
}
