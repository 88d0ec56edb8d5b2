//! The spool directory of the worker: jobs that are new, that are in work, and that are done.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub struct Spool {
    new: PathBuf,
    work: PathBuf,
    done: PathBuf,
}

impl Spool {
    pub fn open(directory: &Path) -> io::Result<Self> {
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
    pub fn next(&self) -> io::Result<Option<OsString>> {
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
    pub fn perform(&self, job: &OsString) -> io::Result<()> {
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
