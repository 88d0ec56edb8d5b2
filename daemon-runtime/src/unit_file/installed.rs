//! The unit of a program that is installed as a service of systemd.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::unit_file::environment::{Kind, Mark};
use crate::unit_file::escape;

/// The systemd that a unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The machine's, which only root can change.
    System,
    /// The user's own.
    User,
}

/// A unit file that was made by [`Unit`](crate::Unit), whether `install` or, for example, a package has put it there.
pub(crate) struct Installed {
    pub(crate) scope: Scope,
    /// Whether it is the service that a timer starts.
    pub(crate) is_by_timer: bool,
    /// The words of `ExecStart=`: the program and its arguments.
    pub(crate) command_line: Vec<OsString>,
}

impl Installed {
    /// Finds the unit of a daemon by its name, as systemd would: the first directory that has the file counts.
    ///
    /// Without a systemd that runs the machine, no unit is installed.
    pub(crate) fn find(scope: Scope, name: &str) -> Option<Self> {
        let file = file_name(name);
        if !systemd_runs() {
            return None;
        }
        let text =
            directories(scope).into_iter().find_map(|directory| fs::read(directory.join(&file)).ok())?;
        Self::read(scope, name, &String::from_utf8_lossy(&text))
    }

    /// Reads a unit file. Returns `None` if it is not one that was made for this daemon.
    pub(crate) fn read(scope: Scope, name: &str, text: &str) -> Option<Self> {
        let has = |kind| {
            let mark = Mark(kind, name).to_string();
            text.lines().any(|line| line == mark)
        };
        let is_by_timer = has(Kind::Timer);
        if !is_by_timer && !has(Kind::Service) {
            return None;
        }
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
        let command_line = start.and_then(escape::read_words).unwrap_or_default();
        Some(Self { scope, is_by_timer, command_line })
    }

    /// Returns whether the unit runs the program of this process.
    pub(crate) fn is_of_this_program(&self) -> bool {
        let own = env::current_exe().ok();
        let (Some(program), Some(own)) = (self.program(), own) else { return false };
        program == own || id(program).is_some_and(|program| id(&own) == Some(program))
    }

    /// Returns the program.
    fn program(&self) -> Option<&Path> {
        self.command_line.first().map(Path::new)
    }

    /// Returns the path of the unit's program if that is a program other than this process's.
    pub(crate) fn other_program(&self) -> Option<&Path> {
        self.program().filter(|program| program.exists() && !self.is_of_this_program())
    }
}

/// Returns whether a process belongs to an installed service of this program.
///
/// The process may execute a file other than this process's: the unit may name a link, which leads to a newer version
/// by now.
pub(crate) fn is_of_own_service(name: &str, pid: u32) -> bool {
    let is_ours = |scope| Installed::find(scope, name).is_some_and(|unit| unit.is_of_this_program());
    is_of_unit(&file_name(name), pid) && [Scope::System, Scope::User].into_iter().any(is_ours)
}

/// Returns whether a process is in the control group of a unit
/// ([cgroups(7)](https://man7.org/linux/man-pages/man7/cgroups.7.html)).
pub(crate) fn is_of_unit(unit: &str, pid: u32) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    // Lines such as `0::/system.slice/example.service`.
    let mut paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.any(|path| Path::new(path).components().any(|part| is_group_of(part, unit)))
}

/// Returns whether a control group has the name of a unit. systemd puts a `_` before a name that begins with one, or
/// that the kernel could take for a file of its own, such as `io.service`.
fn is_group_of(group: Component<'_>, unit: &str) -> bool {
    let Component::Normal(group) = group else { return false };
    let group = group.as_bytes();
    group.strip_prefix(b"_").unwrap_or(group) == unit.as_bytes()
}

/// Returns the device and the inode of a file.
fn id(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Returns whether systemd runs this machine
/// ([sd_booted(3)](https://man7.org/linux/man-pages/man3/sd_booted.3.html)).
pub(crate) fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Returns the file name of a daemon's unit.
pub(crate) fn file_name(name: &str) -> String {
    format!("{name}.service")
}

/// Returns the directory into which `install` writes, if there is one.
pub(crate) fn directory(scope: Scope) -> Option<PathBuf> {
    directories(scope).into_iter().next()
}

/// Returns the unit file of another program that a file in the first directory would hide from systemd.
pub(crate) fn hidden(scope: Scope, name: &str) -> Option<PathBuf> {
    let others = directories(scope).into_iter().skip(1).map(|directory| directory.join(file_name(name)));
    others.into_iter().find(|path| match fs::read_to_string(path) {
        Ok(text) => Installed::read(scope, name, &text).is_none_or(|unit| unit.other_program().is_some()),
        Err(_) => false,
    })
}

/// Returns the runtime directory of an installed service of the machine.
pub(crate) fn runtime_directory(name: &str) -> PathBuf {
    Path::new("/run").join(name)
}

/// Returns the directories of units, the most important first
/// ([systemd.unit(5)](https://man7.org/linux/man-pages/man5/systemd.unit.5.html)).
fn directories(scope: Scope) -> Vec<PathBuf> {
    match scope {
        Scope::System => {
            let places = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
            places.map(|place| Path::new(place).join("systemd/system")).into()
        }
        Scope::User => {
            let absolute = |path: &PathBuf| path.is_absolute();
            let given = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(absolute);
            let home = || env::var_os("HOME").map(PathBuf::from).filter(absolute);
            let usual = || home().map(|home| home.join(".config"));
            given.or_else(usual).map(|directory| directory.join("systemd/user")).into_iter().collect()
        }
    }
}
