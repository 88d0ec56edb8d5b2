//! The file that a daemon writes its log to.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat, stat};
use nix::unistd::Pid;

use crate::command::error::{Error, Result};
use crate::command::path::SystemPath;
use crate::lock::registry::Registry;
use crate::settings::Plan;
use crate::sys::file::{FileId, file_type};
use crate::sys::procfs;

/// The file of a stream that is discarded.
const NULL: &CStr = c"/dev/null";

/// Returns the daemon's log: the file of standard output, or that of standard error if that is the only one.
pub(crate) fn of<'a>(plan: &'a Plan<'_>) -> Option<&'a SystemPath> {
    [&plan.stdout, &plan.stderr].into_iter().find(|path| path.as_c_str() != NULL)
}

/// Returns the file of standard error, if it has one that is not the log.
pub(crate) fn of_errors<'a>(plan: &'a Plan<'_>) -> Option<&'a SystemPath> {
    of(plan).and(Some(&plan.stderr)).filter(|path| path.as_c_str() != NULL && Some(*path) != of(plan))
}

/// Returns the log of a daemon that is running, as far as this process may know it.
///
/// In the foreground, and with a relative path, the daemon's standard output may be a file other than that of the key.
/// The key decides for a log that has been renamed or removed and not yet reopened, and where the system does not
/// report the open file. `is_verified` says that `/proc` is known to list this process under this PID.
pub(crate) fn of_process(pid: Pid, is_verified: bool, plan: &Plan<'_>) -> Option<PathBuf> {
    let by_key = || of(plan).map(|path| path.as_path().into());
    let log = of(plan)?;
    let number = if log.as_c_str() == plan.stdout.as_c_str() { 1 } else { 2 };
    match is_verified.then(|| procfs::open_file(pid, number)).flatten() {
        None => by_key(),
        Some((stat, _)) if file_type(&stat) != SFlag::S_IFREG => None,
        Some((stat, _)) if FileId::new(&stat).is_behind(log.as_c_str()) => by_key(),
        Some((_, path)) if is_rotated(path.as_os_str().as_bytes(), log.as_c_str().to_bytes()) => by_key(),
        Some((_, path)) => Some(path),
    }
}

/// Returns whether a path is that of a rotated log, such as `example.log.1`.
fn is_rotated(path: &[u8], log: &[u8]) -> bool {
    path.strip_prefix(log).is_some_and(|rest| !rest.contains(&b'/'))
}

/// Makes the error of a daemon that has no log.
pub(crate) fn none() -> Error {
    Error::usage(format_args!(
        "there is no log: the output is discarded; the key `stdout` makes one, such as `stdout = \"/var/log/example.log\"`"
    ))
}

/// Opens the log. Returns `None` if the file is missing.
pub(crate) fn open(path: &SystemPath) -> Result<Option<(File, FileId)>> {
    let cannot = |errno| Error::cannot_open("the log", path, errno);
    match stat(path.as_c_str()) {
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(cannot(errno)),
        Ok(stat) => check(path, &stat)?,
    }
    if Registry::lock().daemon_at(path).is_some() {
        return Err(Error::failed(format_args!("the log {path} is the pidfile; give `stdout` another path")));
    }
    // A FIFO may have taken the file's place meanwhile.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path.as_path()) {
        Ok(file) => file,
        Err(error) => match error.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
            Errno::ENOENT => return Ok(None),
            errno => return Err(cannot(errno)),
        },
    };
    let stat = fstat(&file).map_err(cannot)?;
    check(path, &stat)?;
    Ok(Some((file, FileId::new(&stat))))
}

/// Refuses what has no last lines, or would lose what is read from it.
fn check(path: &SystemPath, stat: &FileStat) -> Result<()> {
    let what = match file_type(stat) {
        SFlag::S_IFREG => return Ok(()),
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    };
    Err(Error::failed(format_args!(
        "the log {path} is {what}, which keeps no lines; only a regular file does"
    )))
}
