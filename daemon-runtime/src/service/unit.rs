//! The systemd unit of a daemon, made from its keys.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::command::children::Children;
use crate::command::error::{Error, Result};
use crate::command::respawn::Respawn;
use crate::command::signal::Signal;
use crate::service::command_line;
use crate::service::hardening::Hardening;
use crate::service::manager;
use crate::service::paths::Places;
use crate::service::time_span::time;
use crate::service::timer;
use crate::settings::{Plan, Settings};
use crate::timing::Timing;
use crate::unit_file::environment::{Kind, Mark};
use crate::unit_file::escape;
use crate::unit_file::installed::Scope;

/// The first version of systemd with `Type=notify-reload`.
const NOTIFY_RELOAD: u32 = 253;

/// A systemd unit for a daemon, which [`Daemon::unit`](crate::Daemon::unit) makes from the keys.
///
/// Its [`Display`](fmt::Display) is the unit file. For root it is a service of the machine, for every other user one of
/// the user's own systemd.
///
/// # Examples
///
/// ```
/// use daemonic::{Daemon, Hardening};
///
/// let unit = Daemon::new("example").unit()?.relax(Hardening::ProtectHome).with("MemoryMax=100M");
/// let text = unit.to_string();
/// assert!(text.contains("\nMemoryMax=100M\n"));
/// assert!(!text.contains("ProtectHome="));
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Unit {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) program: PathBuf,
    /// When the runs of a repeating daemon are due.
    timing: Option<Timing>,
    catch_up: bool,
    /// When a timer starts a run, in words and in lines of its unit.
    timer: Option<(String, Vec<String>)>,
    /// Whether systemd itself sends SIGHUP and waits until the reload is complete.
    reloads_by_type: bool,
    /// The program in `ExecStart=`, escaped.
    start: String,
    arguments: Vec<OsString>,
    /// The directory in which systemd starts the program.
    directory: PathBuf,
    /// The lines of the section `[Unit]` that only a service without a timer has.
    limits: Vec<String>,
    /// The lines of the section `[Service]` that only a service without a timer has.
    lasting: Vec<String>,
    service: Vec<String>,
    hardening: Vec<(Hardening, Vec<String>)>,
    further: Vec<String>,
}

impl Unit {
    /// Makes the unit of a daemon with these keys.
    pub(crate) fn new(plan: &Plan<'_>) -> Result<Self> {
        let settings = plan.settings;
        check_name(&settings.name)?;
        let program = command_line::program()?;
        let arguments = command_line::arguments();
        if let Some(word) = arguments.iter().find(|word| word.to_str().is_none()) {
            return Err(Error::failed(format_args!(
                "systemd cannot show a unit with an argument that is not UTF-8, as in {}",
                word.to_string_lossy()
            )));
        }
        let scope = scope();
        let places = match scope {
            Scope::System => Some(Places::of_system(plan, &program)?),
            Scope::User => None,
        };
        Ok(Self {
            name: settings.name.clone(),
            scope,
            timing: settings.timing.clone(),
            catch_up: settings.catch_up,
            timer: None,
            reloads_by_type: cfg!(feature = "systemd") && manager::version() >= Some(NOTIFY_RELOAD),
            start: escape::program(&program)?,
            arguments,
            directory: plan.working_directory.as_path().into(),
            limits: limits(settings),
            lasting: lasting(settings),
            service: service(plan, scope, &program, places.as_ref())?,
            hardening: hardening(places.as_ref())?,
            further: Vec::new(),
            program,
        })
    }

    /// Leaves out a line that confines the daemon, because the body needs what the line forbids.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Daemon, Hardening};
    ///
    /// let unit = Daemon::new("example").unit()?.relax(Hardening::RestrictAddressFamilies);
    /// assert!(!unit.to_string().contains("RestrictAddressFamilies="));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn relax(mut self, line: Hardening) -> Self {
        self.hardening.retain(|(other, _)| *other != line);
        self
    }

    /// Adds a line to the section `[Service]`, after all others, as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let unit = daemonic::Daemon::new("example").unit()?;
    /// let unit = unit.with("CapabilityBoundingSet=CAP_NET_BIND_SERVICE").with("LimitNOFILE=65536");
    /// assert!(unit.to_string().contains("\nLimitNOFILE=65536\n"));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.further.push(line.into());
        self
    }

    /// Sets the arguments with which the unit starts this program; they must make it run the daemon in the foreground.
    ///
    /// By default they are those of this process, with `run` in the place of `unit` or `install`. If neither is among
    /// them, `run` is the only argument.
    ///
    /// # Examples
    ///
    /// ```
    /// let unit = daemonic::Daemon::new("example").unit()?.arguments(["serve", "--foreground"]);
    /// assert!(unit.to_string().contains(" serve --foreground\n"));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[must_use]
    pub fn arguments<I: IntoIterator<Item: Into<OsString>>>(mut self, arguments: I) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Makes a timer start each run of a repeating daemon, and the service make one run at a time.
    ///
    /// The text then has two unit files, each below a comment with its path.
    ///
    /// # Errors
    ///
    /// Fails if the daemon does not repeat, or if systemd has no calendar event for its cron expression.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let unit = Daemon::new("example").every(Duration::from_secs(5)).unit()?.timer()?;
    /// assert!(unit.to_string().contains("\nOnUnitActiveSec=5s\n"));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn timer(mut self) -> Result<Self> {
        let Some(timing) = &self.timing else {
            return Err(Error::failed(format_args!(
                "a timer is for a repeating daemon, and this one has no period; use `#[repeat_daemon]` or `every`"
            )));
        };
        self.timer = Some(timer::lines(timing, self.catch_up)?);
        Ok(self)
    }

    /// Returns a warning about an argument that leads to a file from here, but not from where systemd starts the
    /// program.
    pub(crate) fn warning(&self) -> Option<String> {
        let path = command_line::relative_path(&self.arguments)?;
        let (path, directory) = (path.display(), self.directory.display());
        Some(format!(
            "the unit starts the program in {directory}, where `{path}` is another file; give its absolute path"
        ))
    }

    /// Writes the text of the service alone.
    fn write_service(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        writeln!(f, "[Unit]\nDescription={}", escape::text(name))?;
        if self.scope == Scope::System {
            f.write_str("After=network.target\n")?;
        }
        match self.timer {
            None => write_lines(f, &self.limits)?,
            // By default, systemd allows five starts in ten seconds.
            Some(_) => {
                f.write_str("# The timer alone says how often it is started.\nStartLimitIntervalSec=0\n")?;
            }
        }
        f.write_str("\n[Service]\n")?;
        let kind = if self.timer.is_some() { Kind::Timer } else { Kind::Service };
        writeln!(f, "Type={}", self.service_type())?;
        let arguments: Vec<_> = self.arguments.iter().map(|word| escape::argument(word)).collect();
        writeln!(f, "ExecStart={} {}", self.start, arguments.join(" "))?;
        if self.timer.is_none() && !self.reloads_by_type {
            f.write_str("ExecReload=/bin/kill -HUP $MAINPID\n")?;
        }
        writeln!(
            f,
            "# By this the program knows that systemd does what the lines below say.\n{}",
            Mark(kind, name)
        )?;
        write_lines(f, &self.service)?;
        if self.timer.is_none() {
            write_lines(f, &self.lasting)?;
        }
        for (line, values) in &self.hardening {
            writeln!(f, "\n# {}", line.reason())?;
            write_lines(f, values)?;
        }
        if !self.further.is_empty() {
            f.write_str("\n")?;
            write_lines(f, &self.further)?;
        }
        Ok(())
    }

    fn service_type(&self) -> &'static str {
        match () {
            () if self.timer.is_some() => "oneshot",
            () if cfg!(not(feature = "systemd")) => "exec",
            () if self.reloads_by_type => "notify-reload",
            () => "notify",
        }
    }

    /// Writes the text of the timer alone.
    fn write_timer(&self, f: &mut fmt::Formatter<'_>, what: &str, lines: &[String]) -> fmt::Result {
        let name = escape::text(&self.name);
        writeln!(f, "[Unit]\nDescription={name}, {what}\n\n[Timer]")?;
        write_lines(f, lines)?;
        f.write_str("\n[Install]\nWantedBy=timers.target\n")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((what, lines)) = &self.timer {
            writeln!(f, "# {}.service", self.name)?;
            self.write_service(f)?;
            writeln!(f, "\n# {}.timer", self.name)?;
            return self.write_timer(f, what, lines);
        }
        self.write_service(f)?;
        let target = match self.scope {
            Scope::System => "multi-user.target",
            Scope::User => "default.target",
        };
        writeln!(f, "\n[Install]\nWantedBy={target}")
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, lines: &[String]) -> fmt::Result {
    lines.iter().try_for_each(|line| writeln!(f, "{line}"))
}

/// Returns the scope of this user's units.
pub(crate) fn scope() -> Scope {
    if geteuid().is_root() { Scope::System } else { Scope::User }
}

/// Returns the scopes in which a unit of this user's daemon may be installed, the user's own first.
pub(crate) fn scopes() -> &'static [Scope] {
    match scope() {
        Scope::System => &[Scope::System],
        Scope::User => &[Scope::User, Scope::System],
    }
}

/// Refuses a name that a unit, or its runtime directory, cannot have.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    // `systemctl` takes a word with a dash first for an option.
    if name.starts_with(['.', '-']) || !name.chars().all(is_plain) || name.len() > 200 {
        return Err(Error::failed(format_args!(
            "a unit has a name of at most 200 ASCII letters, digits, `_`, `-` and `.`, of which the last two are \
             not the first; {name:?} is none, so give the key `name`"
        )));
    }
    Ok(())
}

/// Returns the lines about the failures in a row.
fn limits(settings: &Settings) -> Vec<String> {
    match (settings.respawn, settings.respawn_limit) {
        (Respawn::Never, _) => Vec::new(),
        (_, 0) => {
            vec!["# It is started again however often it fails.".into(), "StartLimitIntervalSec=0".into()]
        }
        (_, limit) => {
            // systemd counts starts. A pause may be longer by a quarter of a second, and a process needs time to start
            // and to fail. The interval is no longer than that, so that starts by hand seldom count.
            let life = settings.respawn_delay.saturating_mul(2).saturating_add(Duration::from_secs(1));
            let interval = life.saturating_mul(limit);
            vec![
                format!("# After {limit} quick failures in a row it stays ended."),
                format!("StartLimitIntervalSec={}", time(interval)),
                format!("StartLimitBurst={limit}"),
            ]
        }
    }
}

/// Returns the lines about the start and the restart of a process that lives long. For a process of one run, the time
/// limit of the start would be that of the run.
fn lasting(settings: &Settings) -> Vec<String> {
    let limit = match settings.wait_ready {
        Some(limit) => Some(time(limit)),
        // By default, systemd would kill a daemon whose setup takes longer than a minute and a half.
        None if cfg!(feature = "systemd") => Some("infinity".into()),
        None => None,
    };
    let limit = limit.map(|limit| format!("TimeoutStartSec={limit}"));
    let word = match settings.respawn {
        Respawn::Never => None,
        Respawn::OnFailure => Some("on-failure"),
        Respawn::Always => Some("always"),
    };
    let restart =
        word.map(|word| [format!("Restart={word}"), format!("RestartSec={}", time(settings.respawn_delay))]);
    limit.into_iter().chain(restart.into_iter().flatten()).collect()
}

/// Returns the lines that say how the daemon runs.
fn service(plan: &Plan<'_>, scope: Scope, program: &Path, places: Option<&Places>) -> Result<Vec<String>> {
    let settings = plan.settings;
    let mut lines = variables(scope);
    if scope == Scope::System {
        let account = |name: &str, account: &_| format!("{name}={}", escape::text(&format!("{account}")));
        lines.extend(settings.user.iter().map(|user| account("User", user)));
        lines.extend(settings.group.iter().map(|group| account("Group", group)));
    }
    if let Some(root) = plan.chroot.as_ref() {
        if scope == Scope::User {
            return Err(Error::failed(format_args!(
                "only root's systemd can change a unit's root directory"
            )));
        }
        lines.extend(root_directory(root.as_path(), program)?);
    }
    let directory = plan.working_directory.as_path();
    lines.push(format!("WorkingDirectory={}", escape::path_to_line_end("working_directory", directory)?));
    lines.push(format!("UMask={:04o}", settings.umask.unwrap_or(0o022)));
    if let Some(directory) = places.and_then(|places| places.runtime_directory.as_ref()) {
        let path = escape::path_in_list("pidfile", directory)?;
        lines.push(
            "# The pidfile is in this directory below /run. It stays, so that `status` can say why the"
                .into(),
        );
        lines.push("# daemon has failed.".into());
        lines.push(format!("RuntimeDirectory={path}"));
        lines.push("RuntimeDirectoryPreserve=yes".into());
    }
    if let Some(directory) = places.and_then(|places| places.state_directory.as_ref()) {
        lines.push("# The time of the last success is in this directory below /var/lib.".into());
        lines.push(format!("StateDirectory={}", escape::path_in_list("state", directory)?));
    }
    lines.extend(streams(plan)?);
    lines.push(format!("KillSignal={}", settings.stop_signal));
    lines.push("# The signal is for the daemon, which ends its own children. What is left is killed.".into());
    lines.push("KillMode=mixed".into());
    if !is_clean(settings.stop_signal) {
        lines.push(format!("SuccessExitStatus={}", settings.stop_signal));
    }
    let grace = if settings.children == Children::End { settings.grace() } else { Duration::ZERO };
    lines.push(format!("TimeoutStopSec={}", time(settings.stop_timeout.saturating_add(grace))));
    Ok(lines)
}

/// Returns whether systemd counts a death by the signal as a success.
fn is_clean(signal: Signal) -> bool {
    [Signal::SIGTERM, Signal::SIGINT].contains(&signal)
}

/// Returns the variables that decide the paths of keys, as this process has them.
fn variables(scope: Scope) -> Vec<String> {
    let names: &[_] = match scope {
        Scope::System => &["HOME"],
        Scope::User => &["XDG_STATE_HOME"],
    };
    let line = |name: &&str| {
        let value = env::var_os(name).filter(|value| Path::new(value).is_absolute())?;
        // No dollar sign has a meaning here, unlike in a command line.
        let word = escape::path_in_list(name, &joined(&format!("{name}="), &value)).ok()?;
        Some(format!("Environment={word}"))
    };
    names.iter().filter_map(line).collect()
}

/// Returns a path with something before it, in one word.
fn joined(before: &str, path: &OsStr) -> PathBuf {
    let mut word = OsString::from(before);
    word.push(path);
    word.into()
}

/// Returns the lines for the key `chroot`.
fn root_directory(root: &Path, program: &Path) -> Result<Vec<String>> {
    Ok(vec![
        format!("RootDirectory={}", escape::path_to_line_end("chroot", root)?),
        "MountAPIVFS=yes".into(),
        "# The command that reloads is outside.".into(),
        "RootDirectoryStartOnly=yes".into(),
        "# systemd looks for the program inside the new root; a static one needs no libraries there.".into(),
        format!("BindReadOnlyPaths={}", escape::path_in_list("chroot", program)?),
        "BindReadOnlyPaths=-/lib -/lib64 -/usr/lib -/usr/lib64".into(),
    ])
}

/// Returns the lines for the keys `stdin`, `stdout` and `stderr`. Without a key, the output goes to the journal.
fn streams(plan: &Plan<'_>) -> Result<Vec<String>> {
    let settings = plan.settings;
    let to = |key: &str, path: &Path| {
        Ok(match path {
            null if null == Path::new("/dev/null") => "null".to_owned(),
            log => format!("append:{}", escape::path_to_line_end(key, log)?),
        })
    };
    let mut lines = Vec::new();
    if settings.stdin.is_some() {
        let path = plan.stdin.as_path();
        let is_null = path == Path::new("/dev/null");
        let file = if is_null {
            "null".into()
        } else {
            format!("file:{}", escape::path_to_line_end("stdin", path)?)
        };
        lines.push(format!("StandardInput={file}"));
    }
    match settings.stdout {
        Some(_) => lines.push(format!("StandardOutput={}", to("stdout", plan.stdout.as_path())?)),
        None => lines.push("StandardOutput=journal".into()),
    }
    if settings.stderr.is_some() {
        lines.push(format!("StandardError={}", to("stderr", plan.stderr.as_path())?));
    }
    Ok(lines)
}

/// Returns the lines that confine the daemon, as far as the keys permit.
fn hardening(places: Option<&Places>) -> Result<Vec<(Hardening, Vec<String>)>> {
    let mut all = Vec::new();
    for line in Hardening::ALL.iter().copied() {
        let is_possible = places.map_or(!line.needs_root(), |places| places.permit(line));
        if !is_possible {
            continue;
        }
        let value = |value: &&str| match (line, places) {
            // The stricter value would hide the files.
            (Hardening::ProtectHome, Some(places)) if places.are_in_a_home() => format!("{line}=read-only"),
            _ => format!("{line}={value}"),
        };
        let mut lines: Vec<_> = line.values().iter().map(value).collect();
        match (line, places) {
            (Hardening::ProtectSystem, Some(places)) => {
                for (key, path) in &places.written {
                    // With the minus, a missing directory is the start's own error, which names the key.
                    let path = joined("-", path.as_os_str());
                    lines.push(format!("ReadWritePaths={}", escape::path_in_list(key, &path)?));
                }
            }
            (Hardening::SystemCallFilter, _) => lines.push("SystemCallErrorNumber=EPERM".into()),
            _ => {}
        }
        all.push((line, lines));
    }
    Ok(all)
}
