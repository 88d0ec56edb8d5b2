//! The file in which a daemon keeps the time of its last successful run.
//!
//! It has one line: `daemonic 1 due=NANOSECONDS ended=NANOSECONDS`, both counted from 1970. It is replaced by a rename,
//! so no reader and no crash sees half of it. The content is on the disk before the rename: otherwise a loss of power,
//! which is what the file is for, could leave an empty file under the name. If only the rename is lost, the file is
//! older, and the daemon repeats a run that has succeeded already, but forgets none. Only a daemon that makes up for
//! runs has the file, so only such a daemon waits for the disk, once for each run.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, read, unlinkat};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::command::timestamp::Timestamp;
use crate::settings::NEW_SUFFIX;
use crate::sys::descriptor::above_floor;
use crate::sys::file::{FileId, file_type, name_of_type};
use crate::sys::interrupted::uninterrupted;
use crate::sys::mask::{self, AllBlocked};

const VERSION: &str = "daemonic 1";

/// The longest content of the file, in bytes. A longer file is something else.
const LONGEST: usize = 128;

/// The last run that has succeeded, as times since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSuccess {
    /// The time at which the run was due. If it was not a due run, the time at which the last due run was.
    pub(crate) due: Duration,
    pub(crate) ended: Duration,
}

/// The file. Its directory is open, so it can be reached from inside a chroot.
pub(crate) struct StateFile {
    path: SystemPath,
    directory: OwnedFd,
    id: FileId,
    name: CString,
    /// The name under which a new file is written.
    new_name: CString,
    pidfile: FileId,
}

impl StateFile {
    /// Opens the directory of the file, which must not be the pidfile.
    pub(crate) fn open(path: &SystemPath, pidfile: FileId) -> Result<Self> {
        if pidfile.is_behind(path.as_c_str()) {
            return Err(Error::failed(format_args!("`state` is the pidfile; give it a path of its own")));
        }
        let cannot = |errno| Error::cannot_open("the directory of the state file", &parent_of(path), errno);
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let directory = uninterrupted(|| open(parent_of(path).as_c_str(), flags, Mode::empty()));
        let directory = directory.and_then(above_floor).map_err(cannot)?;
        let id = FileId::of(&directory).map_err(cannot)?;
        let refused = |what: &str| {
            Error::failed(format_args!("`state` is {path}, {what}; give it the path of a regular file"))
        };
        let name = path.as_path().file_name().ok_or_else(|| refused("which names no file"))?.as_bytes();
        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| cannot(Errno::EINVAL));
        let (name, new_name) = (c_string(name)?, c_string(&[name, NEW_SUFFIX.as_bytes()].concat())?);
        let new = fstatat(&directory, new_name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if new.is_ok_and(|new| FileId::new(&new) == pidfile) {
            return Err(Error::failed(format_args!(
                "`state` is written under the name of the pidfile first; give it another path"
            )));
        }
        // A rename would replace `/dev/null` for the whole system. A link is replaced, and not what it leads to; a
        // directory cannot be replaced.
        let old = fstatat(&directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        match old.as_ref().map(file_type) {
            Ok(SFlag::S_IFREG | SFlag::S_IFLNK | SFlag::S_IFDIR) | Err(_) => {}
            Ok(other) => return Err(refused(&format!("a {}", name_of_type(other)))),
        }
        Ok(Self { path: path.clone(), directory, id, name, new_name, pidfile })
    }

    /// Fails if this process, with the user that it has now, cannot replace the file.
    pub(crate) fn require_writable(&self) -> Result<()> {
        let needed = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(self.directory.as_fd(), c".", needed, AtFlags::AT_EACCESS).map_err(|errno| {
            let directory = parent_of(&self.path);
            Error::os(format_args!("cannot write to {directory}, the directory of the state file"), errno)
        })
    }

    pub(crate) fn path(&self) -> &SystemPath {
        &self.path
    }

    /// Reads the file. Returns `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails with the reason why the file cannot be used.
    pub(crate) fn read(&self, now: Duration) -> std::result::Result<Option<LastSuccess>, String> {
        let text = match self.read_text() {
            Ok(text) => text,
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno.desc().to_owned()),
        };
        let last = std::str::from_utf8(&text).ok().and_then(LastSuccess::decode);
        let last = last.ok_or("it is damaged")?;
        if last.ended > now {
            let time = SystemTime::UNIX_EPOCH.checked_add(last.ended).map(Timestamp::of);
            let time = time.as_ref().map_or("after all years", Timestamp::as_str);
            return Err(format!("it is dated in the future, {time}"));
        }
        Ok(Some(last))
    }

    fn read_text(&self) -> nix::Result<Vec<u8>> {
        self.require_open()?;
        // Closing the pidfile would drop the lock.
        let stat = fstatat(&self.directory, self.name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if FileId::new(&stat) == self.pidfile {
            return Err(Errno::EINVAL);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = uninterrupted(|| openat(&self.directory, self.name.as_c_str(), flags, Mode::empty()))?;
        match file_type(&fstat(&file)?) {
            SFlag::S_IFREG => {}
            SFlag::S_IFDIR => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        let mut text = vec![0; LONGEST];
        let length = uninterrupted(|| read(&file, &mut text))?;
        text.truncate(length);
        Ok(text)
    }

    /// Replaces the file.
    pub(crate) fn write(&self, last: LastSuccess) -> io::Result<()> {
        self.require_open()?;
        // The limit on the size of files also raises a signal, which would end the daemon.
        let blocked = AllBlocked::new()?;
        let written = self.replace(&last.encode());
        if written.is_err() {
            mask::take_back(Signal::SIGXFSZ);
        }
        drop(blocked);
        written
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let directory = self.directory.as_fd();
        let new = self.new_name.as_c_str();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let create = || uninterrupted(|| openat(directory, new, flags, Mode::from_bits_truncate(0o644)));
        let file = match create() {
            // A daemon was killed before the rename.
            Err(Errno::EEXIST) => {
                unlinkat(directory, new, UnlinkatFlags::NoRemoveDir)?;
                create()?
            }
            file => file?,
        };
        let mut file = File::from(file);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        let renamed = written.and_then(|()| Ok(renameat(directory, new, directory, self.name.as_c_str())?));
        if renamed.is_err() {
            let _ = unlinkat(directory, new, UnlinkatFlags::NoRemoveDir);
        }
        renamed
    }

    /// Fails if the body has closed the directory. It may have a file of its own under this number.
    fn require_open(&self) -> nix::Result<()> {
        if self.id.is_open_at(&self.directory) { Ok(()) } else { Err(Errno::EBADF) }
    }
}

/// Returns the directory of a file.
fn parent_of(path: &SystemPath) -> SystemPath {
    let parent = path.as_path().parent().unwrap_or(Path::new("/"));
    SystemPath::new(parent.into()).expect("a part of a path without a NUL byte has none")
}

impl LastSuccess {
    fn encode(self) -> String {
        format!("{VERSION} due={} ended={}\n", self.due.as_nanos(), self.ended.as_nanos())
    }

    /// Reads exactly what [`encode`](Self::encode) writes.
    fn decode(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(VERSION)?.strip_prefix(" due=")?.strip_suffix('\n')?;
        let (due, ended) = rest.split_once(" ended=")?;
        let nanos = |text: &str| text.parse().ok().map(Duration::from_nanos);
        let last = Self { due: nanos(due)?, ended: nanos(ended)? };
        (last.encode() == text && last.due <= last.ended).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_read_as_it_was_written_and_nothing_else_is() {
        let last = LastSuccess { due: Duration::from_nanos(1_764_205_200_000_000_001), ended: Duration::MAX };
        let last = LastSuccess { ended: Duration::from_nanos(u64::MAX), ..last };
        let text = last.encode();
        assert_eq!(LastSuccess::decode(&text), Some(last));
        for cut in 0..text.len() {
            assert_eq!(LastSuccess::decode(&text[..cut]), None, "{cut}");
        }
        for damaged in [
            "daemonic 2 due=1 ended=2\n",
            "daemonic 1 due=01 ended=2\n",
            "daemonic 1 due=3 ended=2\n",
            "daemonic 1 due=-1 ended=2\n",
            "daemonic 1 due=1 ended=2\n\n",
        ] {
            assert_eq!(LastSuccess::decode(damaged), None, "{damaged}");
        }
    }
}
