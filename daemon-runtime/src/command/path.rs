//! A path in the form that system calls take.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path that ends in a NUL byte, so that a signal handler can use it without allocating.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SystemPath(CString);

impl SystemPath {
    /// Returns `None` if the path contains a NUL byte.
    pub(crate) fn new(path: PathBuf) -> Option<Self> {
        CString::new(path.into_os_string().into_vec()).ok().map(Self)
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        &self.0
    }

    pub(crate) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.to_bytes()))
    }
}

impl fmt::Display for SystemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().display().fmt(f)
    }
}
