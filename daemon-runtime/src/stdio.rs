//! The three standard streams, and the logs behind two of them.

use std::ffi::{CStr, CString, c_int};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::write;

use crate::error::{Error, Result};
use crate::sys::{self, FileId, STDERR, STDIN, STDOUT, Sys, above_floor, is_writable, put_on};

/// Where a daemon's streams lead, as absolute paths.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: CString,
    pub(crate) stdout: CString,
    pub(crate) stderr: CString,
    /// Whether the paths lead nowhere any more, because of a chroot.
    pub(crate) are_outside: bool,
}

/// Never gets a terminal, never reaches a child under its own number.
const SAFELY: c_int = libc::O_CLOEXEC | libc::O_NOCTTY;
/// Known to be neither a pidfile nor a FIFO.
const NULL: &CStr = c"/dev/null";
const LOG: c_int = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT;

impl Streams {
    /// Opens all of them, then puts them on descriptors 0, 1 and 2.
    pub(crate) fn redirect(&self, pidfile: FileId) -> Result<()> {
        let open =
            |what: &str, path: &CStr, flags| match open_stream(path, flags, pidfile, Patience::ForLeases) {
                Ok(Some(file)) => Ok(file),
                Ok(None) => Err(Error::failed(format_args!("{what} is the pidfile; give it another path"))),
                Err(errno) => Err(Error::cannot_open(what, path, errno)),
            };
        let stdin = open("stdin", &self.stdin, libc::O_RDONLY)?;
        let stdout = open("stdout", &self.stdout, LOG)?;
        let separate = self.stderr != self.stdout;
        let stderr = separate.then(|| open("stderr", &self.stderr, LOG)).transpose()?;
        uninterrupted(|| put_on(&stdin, STDIN))
            .and_then(|()| put(&stdout, stderr.as_ref().unwrap_or(&stdout)))
            .map_err(|errno| Error::os(format_args!("cannot redirect the standard streams"), errno))
    }

    /// Opens the logs anew, by path, as they are renamed by whoever rotates them. What can't be opened
    /// stays as it was, and says so. Async-signal-safe.
    pub(crate) fn reopen(&self, name: &str, pidfile: FileId) {
        if self.are_outside {
            complain(name, &self.stdout, "it is outside the chroot");
            return;
        }
        let reopen = |path: &CStr| match open_stream(path, LOG, pidfile, Patience::None) {
            Ok(Some(file)) => Some(file),
            Ok(None) => complain(name, path, "it is the pidfile"),
            Err(errno) => complain(name, path, errno.desc()),
        };
        let stdout = reopen(&self.stdout);
        if self.stderr == self.stdout {
            let _ = stdout.map(|log| put(&log, &log));
        } else {
            let _ = stdout.map(|log| uninterrupted(|| put_on(&log, STDOUT)));
            let _ = reopen(&self.stderr).map(|log| uninterrupted(|| put_on(&log, STDERR)));
        }
    }
}

fn put(stdout: &OwnedFd, stderr: &OwnedFd) -> Sys<()> {
    uninterrupted(|| put_on(stdout, STDOUT))?;
    uninterrupted(|| put_on(stderr, STDERR))
}

/// What the opening of a stream may wait for. A FIFO that nobody reads is always an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// For nothing: a handler has all signals blocked.
    None,
    /// For somebody to give a lease on the file back, as he must.
    ForLeases,
}

/// Opens a stream above descriptor 2, unless it is the pidfile. Async-signal-safe.
fn open_stream(path: &CStr, flags: c_int, pidfile: FileId, patience: Patience) -> Sys<Option<OwnedFd>> {
    let found = if path == NULL { Err(Errno::ENOENT) } else { sys::stat(path) };
    let kind = match found {
        Ok(stat) if pidfile.is_of(&stat) => return Ok(None),
        Ok(stat) => sys::kind(&stat),
        Err(_) => libc::S_IFREG,
    };
    if kind == libc::S_IFDIR {
        // By a descriptor of one a daemon would get out of its chroot.
        return Err(Errno::EISDIR);
    }
    let at_once = kind == libc::S_IFIFO || patience == Patience::None;
    let how = if at_once { SAFELY | libc::O_NONBLOCK } else { SAFELY };
    let file = uninterrupted(|| sys::open(path, flags | how, 0o666))?;
    if at_once {
        sys::set_flags(&file, flags & libc::O_APPEND)?;
    }
    above_floor(file).map(Some)
}

fn uninterrupted<T>(mut call: impl FnMut() -> Sys<T>) -> Sys<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Writes a line to the old log, without allocating, and without waiting for a FIFO's reader.
fn complain(name: &str, path: &CStr, reason: &str) -> Option<OwnedFd> {
    let stderr = std::io::stderr();
    let parts = [name.as_bytes(), b": cannot reopen ", path.to_bytes(), b": ", reason.as_bytes(), b"\n"];
    for part in parts {
        if is_writable(&stderr) {
            let _ = write(&stderr, part);
        }
    }
    None
}
