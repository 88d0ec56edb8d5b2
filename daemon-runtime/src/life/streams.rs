//! The standard streams of a daemon.

use std::ffi::CStr;
use std::io::{stderr, stdout};
use std::iter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::life::notice::Obstacle;
use crate::settings::Plan;
use crate::sys::descriptor::{above_floor, add_flags, set_flags};
use crate::sys::file::{FileId, file_type};
use crate::sys::interrupted::uninterrupted;

/// The files behind a daemon's standard streams.
#[derive(Clone)]
pub(crate) struct Streams {
    stdin: SystemPath,
    stdout: SystemPath,
    stderr: SystemPath,
    /// Whether a chroot has put the paths out of reach.
    are_outside: bool,
    /// Whether standard output is open on its log, and whether standard error is.
    are_logs: [bool; 2],
}

/// The flags of an open that gets no controlling terminal, passes no descriptor to a program that this process
/// executes, and allows more than two gigabytes.
const SAFELY: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY).union(LARGE);

/// The flag without which a 32-bit process cannot open a file of more than two gigabytes, and gets SIGXFSZ when a file
/// grows beyond that.
#[cfg(target_os = "linux")]
const LARGE: OFlag = OFlag::O_LARGEFILE;
#[cfg(not(target_os = "linux"))]
const LARGE: OFlag = OFlag::empty();

/// The default of all streams.
const DEFAULT: &CStr = c"/dev/null";
const LOG: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND).union(OFlag::O_CREAT);

impl Streams {
    pub(crate) fn new(plan: &Plan<'_>) -> Self {
        Self {
            stdin: plan.stdin.clone(),
            stdout: plan.stdout.clone(),
            stderr: plan.stderr.clone(),
            are_outside: plan.chroot.is_some(),
            are_logs: [true; 2],
        }
    }

    /// Returns the streams of a daemon in the foreground that its caller has opened on the logs, as a service manager
    /// does. A reload reopens these only.
    pub(crate) fn of_foreground(plan: &Plan<'_>) -> Option<Self> {
        let is_log = |path: &SystemPath, stream: BorrowedFd<'_>| {
            path.as_c_str() != DEFAULT
                && stat(path.as_c_str()).is_ok_and(|stat| FileId::new(&stat).is_open_at(stream))
        };
        let are_logs = [is_log(&plan.stdout, stdout().as_fd()), is_log(&plan.stderr, stderr().as_fd())];
        (are_logs != [false; 2]).then(|| Self { are_logs, ..Self::new(plan) })
    }

    /// Opens all files, then puts them on descriptors 0, 1 and 2.
    pub(crate) fn redirect(&self, pidfile: FileId) -> Result<()> {
        let open = |what: &str, path: &SystemPath, flags| {
            let opened = open_stream(path, flags, pidfile, Blocking::ForLeases);
            opened
                .map_err(|errno| Error::cannot_open(what, path, errno))?
                .ok_or_else(|| Error::failed(format_args!("{what} is the pidfile; give it another path")))
        };
        let stdin = open("stdin", &self.stdin, OFlag::O_RDONLY)?;
        let stdout = open("stdout", &self.stdout, LOG)?;
        let is_separate = self.stderr != self.stdout;
        let stderr = is_separate.then(|| open("stderr", &self.stderr, LOG)).transpose()?;
        uninterrupted(|| dup2_stdin(&stdin))
            .and_then(|()| uninterrupted(|| dup2_stdout(&stdout)))
            .and_then(|()| uninterrupted(|| dup2_stderr(stderr.as_ref().unwrap_or(&stdout))))
            .map_err(|errno| Error::os(format_args!("cannot redirect the standard streams"), errno))
    }

    /// Returns the paths of the logs of standard output and standard error.
    pub(crate) fn logs(&self) -> [&SystemPath; 2] {
        [&self.stdout, &self.stderr]
    }

    /// Opens the logs again by path, because log rotation renames them. A log that cannot be opened stays as it is.
    /// Returns why, for each of the [`logs`](Self::logs). Async-signal-safe.
    pub(crate) fn reopen(&self, pidfile: FileId) -> [Option<Obstacle>; 2] {
        if self.are_outside {
            return [Some(Obstacle::OutsideChroot), None];
        }
        let [has_stdout, has_stderr] = self.are_logs;
        let is_separate = !has_stdout || self.stderr != self.stdout;
        let stdout = if has_stdout { reopen(&self.stdout, stdout(), pidfile) } else { Ok(None) };
        let stderr =
            if has_stderr && is_separate { reopen(&self.stderr, stderr(), pidfile) } else { Ok(None) };
        if let Ok(Some(log)) = &stdout {
            let _ = uninterrupted(|| dup2_stdout(log));
        }
        let for_stderr = if is_separate { &stderr } else { &stdout };
        if let (true, Ok(Some(log))) = (has_stderr, for_stderr) {
            let _ = uninterrupted(|| dup2_stderr(log));
        }
        [stdout.err(), stderr.err()]
    }
}

/// Opens a log again, unless its path still leads to the open file. Async-signal-safe.
fn reopen(
    path: &SystemPath,
    open: impl AsFd,
    pidfile: FileId,
) -> std::result::Result<Option<OwnedFd>, Obstacle> {
    if stat(path.as_c_str()).is_ok_and(|stat| FileId::new(&stat).is_open_at(open)) {
        return Ok(None);
    }
    let opened = open_stream(path, LOG, pidfile, Blocking::Never).map_err(Obstacle::Os)?;
    opened.map(Some).ok_or(Obstacle::IsPidfile)
}

/// Makes this process append to its standard output and standard error where these are the daemon's logs. Otherwise the
/// launcher's message could overwrite the daemon's first line.
pub(crate) fn append_to_logs(plan: &Plan<'_>) {
    let separate = Some(&plan.stderr).filter(|stderr| **stderr != plan.stdout);
    for path in iter::once(&plan.stdout).chain(separate).map(SystemPath::as_c_str) {
        if path == DEFAULT {
            continue;
        }
        let Ok(log) = stat(path).map(|stat| FileId::new(&stat)) else { continue };
        for stream in [stdout().as_fd(), stderr().as_fd()] {
            if log.is_open_at(stream) {
                let _ = add_flags(stream, OFlag::O_APPEND);
            }
        }
    }
}

/// The events that the opening of a stream may wait for. A FIFO without a reader is always an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocking {
    /// Nothing: a handler has all signals blocked.
    Never,
    /// A process that has a lease on the file and must give it back (fcntl(2)).
    ForLeases,
}

/// Opens a stream above descriptor 2, or returns `None` if it is the pidfile. Async-signal-safe.
fn open_stream(
    path: &SystemPath,
    flags: OFlag,
    pidfile: FileId,
    blocking: Blocking,
) -> nix::Result<Option<OwnedFd>> {
    let path = path.as_c_str();
    // The default path needs no check: it is neither a pidfile nor a FIFO.
    let found = if path == DEFAULT { Err(Errno::ENOENT) } else { stat(path) };
    let found_type = match found {
        Ok(stat) if FileId::new(&stat) == pidfile => return Ok(None),
        Ok(stat) => file_type(&stat),
        Err(_) => SFlag::S_IFREG,
    };
    if found_type == SFlag::S_IFDIR {
        // A descriptor of a directory would lead out of a chroot.
        return Err(Errno::EISDIR);
    }
    let at_once = found_type == SFlag::S_IFIFO || blocking == Blocking::Never;
    let how = if at_once { SAFELY | OFlag::O_NONBLOCK } else { SAFELY };
    let file = uninterrupted(|| open(path, flags | how, Mode::from_bits_truncate(0o666)))?;
    if at_once {
        set_flags(&file, flags & OFlag::O_APPEND)?;
    }
    above_floor(file).map(Some)
}
