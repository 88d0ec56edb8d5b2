//! The unit file of this program in systemd's own directory: writing it, removing it.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::command::error::{Error, Result};
use crate::service::installed_service::Service;
use crate::service::manager::Manager;
use crate::service::paths;
use crate::service::unit::Unit;
use crate::unit_file::installed::{self, Installed, Scope};

/// The beginning of a file that `install` has written.
const HEADER: &str = "# Installed by ";

/// Writes the unit, and makes systemd read and enable it. Returns the path of the file, and whether it has changed.
pub(crate) fn install(unit: &Unit) -> Result<(PathBuf, bool)> {
    let manager = Manager::require(unit.scope)?;
    let path = path(unit.scope, &unit.name)?;
    let text =
        format!("{HEADER}{}; its action `uninstall` removes this file.\n{unit}", unit.program.display());
    let before = read_own(unit.scope, &unit.name, &path)?;
    let hidden = || installed::hidden(unit.scope, &unit.name);
    if let Some(other) = before.is_none().then(hidden).flatten() {
        return Err(Error::failed(format_args!(
            "{} is the unit of another program, which {} would replace; give the key `name`",
            other.display(),
            path.display()
        )));
    }
    let is_new = before.as_ref().is_none_or(|before| *before != text);
    if is_new {
        write(&path, &text).map_err(|error| cannot("write", &path, &error))?;
    }
    let file = installed::file_name(&unit.name);
    let known = manager.call(&["daemon-reload"]).and_then(|()| manager.call(&["enable", &file]));
    match known {
        Ok(()) => Ok((path, is_new)),
        Err(error) => {
            // A unit that systemd does not know would take every action away from this program.
            if before.is_none() {
                let _ = fs::remove_file(&path);
            }
            Err(error)
        }
    }
}

/// Starts the daemon. If it is running and neither its unit nor its program has changed, it keeps running.
pub(crate) fn start(unit: &Unit, is_new: bool) -> Result<()> {
    let manager = Manager::require(unit.scope)?;
    let file = installed::file_name(&unit.name);
    // systemd does not start a daemon that has failed too often, until its failures are reset.
    let _ = manager.call(&["reset-failed", &file]);
    let is_changed = is_new || Service::find(&unit.name).is_some_and(|service| service.runs_old_program());
    manager.call(&[if is_changed { "restart" } else { "start" }, &file])
}

/// Stops the daemon and removes its unit. Returns the path of the file, or `None` if there is none.
pub(crate) fn uninstall(scope: Scope, name: &str, pidfile: &Path) -> Result<Option<PathBuf>> {
    let path = path(scope, name)?;
    if read_own(scope, name, &path)?.is_none() {
        return Ok(None);
    }
    let manager = Manager::require(scope)?;
    let file = installed::file_name(name);
    manager.call(&["disable", "--now", &file])?;
    let _ = manager.call(&["reset-failed", &file]);
    fs::remove_file(&path).map_err(|error| cannot("remove", &path, &error))?;
    manager.call(&["daemon-reload"])?;
    if scope == Scope::System {
        // systemd preserves the directory, with the pidfile of a daemon that has failed.
        let _ = fs::remove_file(pidfile);
        // Another daemon may have its pidfile there.
        if let Some(directory) = paths::runtime_directory(pidfile) {
            let _ = fs::remove_dir(Path::new("/run").join(directory));
        }
    }
    Ok(Some(path))
}

fn path(scope: Scope, name: &str) -> Result<PathBuf> {
    let directory = installed::directory(scope).ok_or_else(|| {
        Error::failed(format_args!("this user has no home directory, and so no directory of units"))
    })?;
    Ok(directory.join(installed::file_name(name)))
}

/// Returns the text of the file, if there is one. Refuses a file that this program has not installed.
fn read_own(scope: Scope, name: &str, path: &Path) -> Result<Option<String>> {
    let refuse = |reason: &dyn std::fmt::Display| {
        Error::failed(format_args!("{} {reason}; move it away first", path.display()))
    };
    match fs::symlink_metadata(path) {
        Ok(file) if file.is_file() => {}
        Ok(_) => return Err(refuse(&"is not a regular file, so `install` has not made it")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("examine", path, &error)),
    }
    let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    match Installed::read(scope, name, &text).filter(|_| text.starts_with(HEADER)) {
        None => Err(refuse(&"was not written by `install`")),
        Some(unit) => match unit.other_program() {
            Some(program) => {
                Err(refuse(&format_args!("is the unit of another program, {}", program.display())))
            }
            None => Ok(Some(text)),
        },
    }
}

/// Writes the whole file at once.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // systemd ignores a file with such an ending.
    let draft = path.with_extension(format!("service.{}.new", process::id()));
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::io(format_args!("cannot {verb} {}", path.display()), error)
}
