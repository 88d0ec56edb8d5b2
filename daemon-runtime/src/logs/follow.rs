//! Following a log through its rotation.
//!
//! Rotation renames the log, and the daemon writes to the renamed file until it reopens its log. Or rotation copies the
//! log, and truncates it. So the renamed file is still read beside the new one, and the last bytes that were shown of
//! each file are kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::logs::file;
use crate::logs::tail::{self, BLOCK};
use crate::logs::watch::Watch;
use crate::sys::file::FileId;

/// Shows the last lines of the log.
pub(crate) fn show(path: &SystemPath, lines: usize, to: &mut impl Write) -> Result<()> {
    let (file, _) = file::open(path)?.ok_or_else(|| Error::cannot_open("the log", path, Errno::ENOENT))?;
    let mut log = Followed::at_last_lines(path, file, lines)?;
    let end = log.size().map_err(|error| cannot_read(path, &error))?;
    match log.show_until(end, &mut vec![0; BLOCK], to).and_then(|()| to.flush().map_err(ShowError::Write)) {
        Ok(()) => Ok(()),
        Err(error) => stopped(path, error),
    }
}

/// Shows the last lines of the log, then what is added to it, until the reader of `to` has gone.
///
/// If the log is missing, this waits for it.
pub(crate) fn follow(path: &SystemPath, lines: usize, to: &mut (impl Write + AsFd)) -> Result<()> {
    let mut watch = Watch::new();
    let mut logs = Logs { path, files: VecDeque::new(), block: vec![0; BLOCK] };
    let directory = path.as_path().parent();
    if directory.is_some_and(|directory| !directory.exists()) {
        return Err(Error::cannot_open("the log", path, Errno::ENOENT));
    }
    // Watched before it is looked at, so that no change falls between the two.
    watch.path(path.as_path());
    logs.begin(lines)?;
    // Renames before this do not count, because only what is added from now on is shown.
    watch.take_renamed(&mut Vec::new());
    loop {
        logs.look(&mut watch)?;
        logs.refuse_as_output(&to)?;
        if let Err(error) = logs.show(to) {
            return stopped(path, error);
        }
        let cannot_wait = |errno| Error::os(format_args!("cannot wait for changes of the log {path}"), errno);
        if watch.wait(to.as_fd()).map_err(cannot_wait)? {
            return Ok(());
        }
        watch.path(path.as_path());
    }
}

/// The file at the log's path, and those that were there before.
struct Logs<'a> {
    path: &'a SystemPath,
    /// The oldest first.
    files: VecDeque<Followed>,
    block: Vec<u8>,
}

impl Logs<'_> {
    /// The number of files that are read. A daemon writes to the last but one until it reopens its log, and its
    /// children perhaps longer.
    const MOST: usize = 3;

    /// Opens the file at the path, if there is one, at its last lines.
    fn begin(&mut self, lines: usize) -> Result<()> {
        if let Some((file, _)) = file::open(self.path)? {
            self.files.push_back(Followed::at_last_lines(self.path, file, lines)?);
        }
        Ok(())
    }

    /// Opens the file at the path if it is a new one, and before it the files that were at the path since the last
    /// look.
    fn look(&mut self, watch: &mut Watch) -> Result<()> {
        let mut renamed = Vec::new();
        watch.take_renamed(&mut renamed);
        let newest = self.files.back();
        if newest.is_none_or(|newest| !newest.id.is_behind(self.path.as_c_str())) {
            let opened = loop {
                let mut opened = Vec::new();
                for path in renamed.iter().cloned().filter_map(SystemPath::new) {
                    // A file that has been removed meanwhile has nothing more to show.
                    opened.extend(file::open(&path)?);
                }
                opened.extend(file::open(self.path)?);
                // If the files have been renamed while they were opened, another one may be missing.
                if !watch.take_renamed(&mut renamed) {
                    break opened;
                }
            };
            for (file, id) in opened {
                self.add(file, id);
            }
        }
        self.files.iter().for_each(|log| watch.file(&log.file));
        Ok(())
    }

    /// Adds a file as the newest. A file that is back at the path keeps its position.
    fn add(&mut self, file: File, id: FileId) {
        let known = self.files.iter().position(|known| known.id == id);
        let known = known.and_then(|index| self.files.remove(index));
        self.files.push_back(known.unwrap_or_else(|| Followed::new(file, id, 0)));
    }

    /// Shows what the files have that is new.
    fn show(&mut self, to: &mut impl Write) -> Shown {
        // What the newest has was written after what the older ones have. So their ends are looked up after its own.
        let mut ends = Vec::new();
        for log in self.files.iter_mut().rev() {
            ends.push(log.end().map_err(ShowError::Read)?);
        }
        for (log, end) in self.files.iter_mut().zip(ends.into_iter().rev()) {
            log.show_until(end, &mut self.block, to)?;
        }
        self.files.drain(..self.files.len().saturating_sub(Self::MOST));
        to.flush().map_err(ShowError::Write)
    }

    /// Refuses to write the log into itself without end.
    fn refuse_as_output(&self, to: impl AsFd) -> Result<()> {
        if self.files.iter().any(|log| log.id.is_open_at(to.as_fd())) {
            return Err(Error::failed(format_args!("the output is the log {} itself", self.path)));
        }
        Ok(())
    }
}

/// An open log, shown up to a position.
struct Followed {
    file: File,
    id: FileId,
    position: u64,
    /// The last bytes that were shown, at most [`SEEN`](Self::SEEN) of them.
    seen: Vec<u8>,
}

impl Followed {
    /// The number of bytes that are compared: enough for a time and some words, by which one line differs from the
    /// next.
    const SEEN: usize = 256;

    fn new(file: File, id: FileId, position: u64) -> Self {
        Self { file, id, position, seen: Vec::new() }
    }

    fn at_last_lines(path: &SystemPath, file: File, lines: usize) -> Result<Self> {
        let id = FileId::of(&file).map_err(|errno| cannot_read(path, &errno.into()))?;
        let mut log = Self::new(file, id, 0);
        let start = log.size().and_then(|end| tail::start_of_last_lines(&log.file, end, lines));
        log.position = start.map_err(|error| cannot_read(path, &error))?;
        Ok(log)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// Returns the present end. If the file has been truncated, everything in it is new.
    fn end(&mut self) -> io::Result<u64> {
        let end = self.size()?;
        if end < self.position || !self.has_what_was_seen()? {
            self.position = 0;
            self.seen.clear();
        }
        Ok(end)
    }

    /// Returns whether the last bytes that were shown are still in their place. They are not if the file was truncated
    /// and has then become longer than before.
    fn has_what_was_seen(&self) -> io::Result<bool> {
        let mut now = vec![0; self.seen.len()];
        match self.file.read_exact_at(&mut now, self.position - self.seen.len() as u64) {
            Ok(()) => Ok(now == self.seen),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the bytes up to `end` as they are, or fewer if the file has become shorter.
    fn show_until(&mut self, end: u64, block: &mut [u8], to: &mut impl Write) -> Shown {
        while self.position < end {
            let most = usize::try_from(end - self.position).map_or(block.len(), |left| left.min(block.len()));
            let read = match self.file.read_at(&mut block[..most], self.position) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(ShowError::Read(error)),
            };
            let new = &block[..read];
            to.write_all(new).map_err(ShowError::Write)?;
            self.position += read as u64;
            self.seen.extend_from_slice(&new[read.saturating_sub(Self::SEEN)..]);
            self.seen.drain(..self.seen.len().saturating_sub(Self::SEEN));
        }
        Ok(())
    }
}

type Shown = std::result::Result<(), ShowError>;

/// The reason why lines are not shown.
enum ShowError {
    Read(io::Error),
    Write(io::Error),
}

/// Turns the error that has ended the output into the result of the action. If the reader has gone, that is a success.
fn stopped(path: &SystemPath, error: ShowError) -> Result<()> {
    match error {
        ShowError::Read(error) => Err(cannot_read(path, &error)),
        ShowError::Write(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        ShowError::Write(error) => Err(Error::io(format_args!("cannot write the lines of the log"), &error)),
    }
}

fn cannot_read(path: &SystemPath, error: &io::Error) -> Error {
    Error::io(format_args!("cannot read the log {path}"), error)
}
