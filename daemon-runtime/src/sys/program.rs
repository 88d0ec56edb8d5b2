//! The name of this program.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns the file name of the executable that this process runs.
///
/// This is the default name of a whole program, `#[daemon] fn main`, that is built without cargo. Otherwise the macro
/// gets the name of the binary from cargo.
///
/// An executable that was replaced or removed meanwhile keeps its name. If the system cannot name the executable, this
/// is the file name in argument 0, the name by which the program was called.
///
/// # Examples
///
/// ```
/// use daemonic::Daemon;
///
/// let name = daemonic::program_name();
/// let outcome = Daemon::new(&name).pidfile("/tmp/program-name-example.pid").status()?;
/// assert_eq!(outcome.to_string(), format!("{name}: not running"));
/// # Ok::<_, daemonic::Error>(())
/// ```
#[must_use]
pub fn program_name() -> String {
    let paths = [env::current_exe().ok().map(without_mark), env::args_os().next().map(PathBuf::from)];
    let name = paths.iter().flatten().find_map(|path| path.file_name());
    name.map_or_else(|| "daemon".into(), |name| name.to_string_lossy().into_owned())
}

/// Removes what Linux adds to the path of an executable that is no longer there
/// ([proc_pid_exe(5)](https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html)).
fn without_mark(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(bytes) if !path.exists() => Path::new(OsStr::from_bytes(bytes)).into(),
        _ => path,
    }
}
