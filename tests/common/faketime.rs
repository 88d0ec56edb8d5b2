//! libfaketime, which shows a program another time of day.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::available_or_skip;
use crate::torture::say;

/// Returns the path of the library, if it is installed.
pub fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// Returns the library, or skips the test as [`available_or_skip`] does. Programs for another target cannot load it, so
/// the test is done elsewhere.
pub fn library_or_skip() -> Option<PathBuf> {
    if env::var_os("DAEMONIC_CARGO").is_some() {
        say(format_args!("skipped: libfaketime is not for this target"));
        return None;
    }
    let library = library();
    available_or_skip("libfaketime", library.is_some());
    library
}
