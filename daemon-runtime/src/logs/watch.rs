//! Waiting until a log may have changed ([inotify(7)](https://man7.org/linux/man-pages/man7/inotify.7.html)).

#[cfg(target_os = "linux")]
use std::fs;
use std::fs::File;
use std::os::fd::BorrowedFd;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(target_os = "linux")]
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::sys::descriptor::wait_readable_or_closed;
use crate::sys::interrupted::uninterrupted;

/// The pause between two looks where the kernel does not report every change.
const PAUSE: Duration = Duration::from_secs(1);

/// The flag that adds reasons to a watch, where otherwise the new ones would replace the old ones. nix has no name for
/// it.
#[cfg(target_os = "linux")]
const ADD: AddWatchFlags = AddWatchFlags::from_bits_retain(nix::libc::IN_MASK_ADD);

/// The files and directories whose changes end a wait.
///
/// A change that happens after it is watched is never missed: the kernel keeps it until the next wait.
pub(crate) struct Watch {
    #[cfg(target_os = "linux")]
    inotify: Option<Inotify>,
    /// The directory of the file that the path leads to, and the path of that file.
    #[cfg(target_os = "linux")]
    place: Option<(WatchDescriptor, PathBuf)>,
    /// The first half of a rename: its cookie, and the old path.
    #[cfg(target_os = "linux")]
    leaving: Option<(u32, PathBuf)>,
    /// Whether every change is reported.
    is_complete: bool,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// Begins to watch. Without inotify, for example because the user has too many instances, a wait takes a second.
    pub(crate) fn new() -> Self {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        Self { inotify, place: None, leaving: None, is_complete: false }
    }

    /// Watches for other files at a path: in its directory, and if it is a link, where that leads to.
    pub(crate) fn path(&mut self, path: &Path) {
        /// The kernel follows no more links than these (`path_resolution(7)`).
        const MOST_LINKS: usize = 40;
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        self.is_complete = self.inotify.is_some();
        let mut path = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            let Some(directory) = path.parent() else { break };
            let added = self.add(directory, flags);
            self.watch_for_removal(directory);
            let Ok(target) = fs::read_link(&path) else {
                self.place = added.map(|directory| (directory, path));
                break;
            };
            path = directory.join(target);
        }
    }

    /// Watches for what is written to an open file, wherever it is moved.
    pub(crate) fn file(&mut self, file: &File) {
        self.add(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), AddWatchFlags::IN_MODIFY);
    }

    /// Watches for the removal of a directory, in the directory above it.
    ///
    /// A log that is still open keeps its removed directory in the kernel, which therefore does not report
    /// `IN_DELETE_SELF`. If the user may not read the directory above, the removal goes unnoticed.
    fn watch_for_removal(&self, directory: &Path) {
        if let (Some(inotify), Some(above)) = (&self.inotify, directory.parent()) {
            let flags = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR | ADD;
            let _ = inotify.add_watch(above, flags);
        }
    }

    /// Adds a watch. Watching the same file again for the same reason changes nothing.
    fn add(&mut self, path: &Path, flags: AddWatchFlags) -> Option<WatchDescriptor> {
        let added = self.inotify.as_ref().and_then(|inotify| inotify.add_watch(path, flags | ADD).ok());
        self.is_complete &= added.is_some();
        added
    }

    /// Waits for a change, or until the reader of `output` has gone, and returns whether it has.
    pub(crate) fn wait(&self, output: BorrowedFd<'_>) -> nix::Result<bool> {
        let timeout = if self.is_complete { None } else { Some(PAUSE) };
        let input = self.inotify.as_ref().map(AsFd::as_fd);
        uninterrupted(|| wait_readable_or_closed(input, output, timeout))
    }

    /// Takes the changes that have happened, and adds the files that have been renamed from the path to a list, the
    /// oldest first, each by its present path. Returns whether the list has changed.
    ///
    /// The other changes are looked at in any case, so it does not matter if the kernel has dropped some.
    pub(crate) fn take_renamed(&mut self, renamed: &mut Vec<PathBuf>) -> bool {
        let mut has_changed = false;
        let Some(inotify) = &self.inotify else { return false };
        while let Ok(events) = inotify.read_events() {
            let Some((directory, path)) = &self.place else { continue };
            for event in events.into_iter().filter(|event| event.wd == *directory) {
                let Some(name) = event.name.map(|name| path.with_file_name(name)) else { continue };
                if event.mask.contains(AddWatchFlags::IN_MOVED_FROM) {
                    self.leaving = Some((event.cookie, name));
                    continue;
                }
                let Some((_, old)) = self.leaving.take().filter(|(cookie, _)| *cookie == event.cookie) else {
                    continue;
                };
                // Rotation renames `log.1` to `log.2` before it renames the log to `log.1`.
                match renamed.iter_mut().find(|renamed| **renamed == old) {
                    Some(renamed) => *renamed = name,
                    None if old == *path => renamed.push(name),
                    None => continue,
                }
                has_changed = true;
            }
        }
        has_changed
    }
}

/// Other systems report no changes, so a wait takes a second.
#[cfg(not(target_os = "linux"))]
impl Watch {
    pub(crate) fn new() -> Self {
        Self { is_complete: false }
    }

    pub(crate) fn take_renamed(&mut self, _: &mut Vec<PathBuf>) -> bool {
        false
    }

    pub(crate) fn path(&mut self, _: &Path) {}

    pub(crate) fn file(&mut self, _: &File) {}

    pub(crate) fn wait(&self, output: BorrowedFd<'_>) -> nix::Result<bool> {
        let timeout = if self.is_complete { None } else { Some(PAUSE) };
        uninterrupted(|| wait_readable_or_closed(None, output, timeout))
    }
}
