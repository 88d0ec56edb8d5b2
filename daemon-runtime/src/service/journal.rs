//! The output of an installed service in systemd's journal.
//!
//! [journalctl(1)](https://man7.org/linux/man-pages/man1/journalctl.1.html) reads it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::command::error::{Error, Result};
use crate::service::unit;
use crate::settings::Settings;
use crate::sys::descriptor::wait_readable_or_closed;
use crate::sys::interrupted::uninterrupted;
use crate::unit_file::installed::{self, Installed, Scope};

/// The number of bytes that are read at once.
const BLOCK: usize = 64 * 1024;

/// The part of the journal that has the output of one service.
pub(crate) struct Journal {
    scope: Scope,
    /// The unit's file name.
    pub(crate) unit: String,
}

impl Journal {
    pub(crate) fn new(scope: Scope, unit: String) -> Self {
        Self { scope, unit }
    }

    /// Finds the journal that has the output of the daemon with these keys. With the key `stdout`, the output goes to a
    /// file instead. Without an installed unit of this program, it is discarded.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        let name = &settings.name;
        let is_ours =
            |scope: &Scope| Installed::find(*scope, name).is_some_and(|unit| unit.is_of_this_program());
        let scope = unit::scopes().iter().copied().find(is_ours).filter(|_| settings.stdout.is_none())?;
        Some(Self::new(scope, installed::file_name(name)))
    }

    /// Writes the last lines.
    pub(crate) fn show(&self, lines: usize, to: &mut impl Write) -> Result<()> {
        let (mut child, mut output) = self.spawn(self.command(lines))?;
        let copied = io::copy(&mut output, to).and_then(|_| to.flush());
        drop(output);
        match copied {
            Ok(()) => self.succeed(child),
            Err(error) => end(&mut child, &error),
        }
    }

    /// Writes the last lines, then each that is added, until the reader of `to` has gone.
    ///
    /// `journalctl` writes to a pipe, whose reader is this process. So it ends with this process, however that ends.
    pub(crate) fn follow(&self, lines: usize, to: &mut (impl Write + AsFd)) -> Result<()> {
        let mut command = self.command(lines);
        command.arg("--follow");
        let (mut child, mut output) = self.spawn(command)?;
        let mut block = vec![0; BLOCK];
        loop {
            let is_closed = uninterrupted(|| wait_readable_or_closed(Some(output.as_fd()), to.as_fd(), None));
            let copied = match is_closed.map_err(io::Error::from) {
                Ok(true) => Err(ErrorKind::BrokenPipe.into()),
                Ok(false) => output.read(&mut block),
                Err(error) => Err(error),
            };
            let copied = copied.and_then(|read| {
                to.write_all(&block[..read])?;
                to.flush()?;
                Ok(read)
            });
            match copied {
                Ok(0) => return self.succeed(child),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return end(&mut child, &error),
            }
        }
    }

    /// Prepares `journalctl`, which prints only the text of each entry.
    fn command(&self, lines: usize) -> Command {
        let option = match self.scope {
            Scope::System => "--unit",
            Scope::User => "--user-unit",
        };
        // `journalctl` accepts no larger numbers.
        let lines = i32::try_from(lines).map_or_else(|_| "all".into(), |lines| lines.to_string());
        let mut command = Command::new("journalctl");
        command.args([format!("{option}={}", self.unit), format!("--lines={lines}")]);
        command.args(["--output=cat", "--quiet"]);
        command
    }

    fn spawn(&self, mut command: Command) -> Result<(Child, ChildStdout)> {
        let cannot = |error: &io::Error| match error.kind() {
            ErrorKind::NotFound => Error::failed(format_args!(
                "there is no `journalctl` in PATH, which shows the log of {}; the key `stdout` makes a log in a file",
                self.unit
            )),
            _ => Error::io(format_args!("cannot run `journalctl`"), error),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot(&error))?;
        let output = child.stdout.take().ok_or_else(|| cannot(&ErrorKind::BrokenPipe.into()))?;
        Ok((child, output))
    }

    /// Waits for `journalctl`, which must succeed.
    fn succeed(&self, child: Child) -> Result<()> {
        let output = child.wait_with_output();
        let output =
            output.map_err(|error| Error::io(format_args!("cannot wait for `journalctl`"), &error))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let reason = if lines.is_empty() { output.status.to_string() } else { lines.join(" ") };
        Err(Error::failed(format_args!("`{self}`: {reason}")))
    }
}

impl fmt::Display for Journal {
    /// Writes the command with which a person can read the output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match self.scope {
            Scope::System => "",
            Scope::User => " --user",
        };
        write!(f, "journalctl{user} -u {}", self.unit.trim_end_matches(".service"))
    }
}

/// Ends `journalctl` after its lines could not be written. If the reader has gone, that is a success.
fn end(child: &mut Child, error: &io::Error) -> Result<()> {
    let _ = child.kill();
    let _ = child.wait();
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::io(format_args!("cannot write the lines of the log"), error)),
    }
}
