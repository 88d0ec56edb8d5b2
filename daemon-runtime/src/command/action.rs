//! The actions of a daemon's command line.

use std::fmt::{self, Write};

/// An action of a daemon's command line.
///
/// With the feature `clap`, it is also a value of an argument and a subcommand. [`Invocation`](crate::Invocation) has
/// the options as well.
///
/// # Examples
///
/// ```
/// use daemonic::Action;
///
/// assert_eq!("start".parse::<Action>()?, Action::Start);
/// assert_eq!(Action::Reload.to_string(), "reload");
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Starts the daemon in the background and returns once it is ready.
    Start,
    /// Stops the daemon and returns once it is gone.
    Stop,
    /// Stops the daemon if it is running, then starts it.
    Restart,
    /// Starts the daemon unless it is running, and returns once it is ready.
    Ensure,
    /// Reports whether the daemon is running.
    Status,
    /// Makes the daemon reload, and reopen its log files.
    Reload,
    /// Prints the last lines of the daemon's log.
    Logs,
    /// Evaluates the daemon's [`check`](crate::Daemon::check), and changes nothing.
    Check,
    /// Prints the times of the next runs of a repeating daemon.
    #[cfg(feature = "cron")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    Next,
    /// Makes a repeating daemon do one run now, and returns when it has ended.
    Once,
    /// Prints a systemd unit for this program.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Unit,
    /// Installs the program as a service of systemd.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Install,
    /// Removes the service that [`Install`](Self::Install) has made.
    #[cfg(feature = "service")]
    #[cfg_attr(docsrs, doc(cfg(feature = "service")))]
    Uninstall,
    /// Runs the daemon in the foreground.
    Run,
}

impl Action {
    /// Every action, in the order of the usage text.
    pub const ALL: &'static [Self] = &[
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Ensure,
        Self::Status,
        Self::Reload,
        Self::Logs,
        Self::Check,
        #[cfg(feature = "cron")]
        Self::Next,
        Self::Once,
        #[cfg(feature = "service")]
        Self::Unit,
        #[cfg(feature = "service")]
        Self::Install,
        #[cfg(feature = "service")]
        Self::Uninstall,
        Self::Run,
    ];

    /// Returns the word that names the action on a command line.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Action;
    ///
    /// assert_eq!(Action::ALL[0].as_str(), "start");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Ensure => "ensure",
            Self::Status => "status",
            Self::Reload => "reload",
            Self::Logs => "logs",
            Self::Check => "check",
            #[cfg(feature = "cron")]
            Self::Next => "next",
            Self::Once => "once",
            #[cfg(feature = "service")]
            Self::Unit => "unit",
            #[cfg(feature = "service")]
            Self::Install => "install",
            #[cfg(feature = "service")]
            Self::Uninstall => "uninstall",
            Self::Run => "run",
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Start => "start in the background; return once it is ready",
            Self::Stop => "stop it; return once it is gone",
            Self::Restart => "stop it if it is running, then start it",
            Self::Ensure => "start it unless it is running; return once it is ready",
            Self::Status => "report whether it is running",
            Self::Reload => "make it reload; it also reopens its log files",
            Self::Logs => "print the end of its log",
            #[cfg(feature = "cron")]
            Self::Next => "print the time of its next run, or of the next N",
            Self::Once => "do one of its runs now; return when that has ended, with its exit code",
            #[cfg(feature = "service")]
            Self::Unit => "print a systemd unit for it",
            #[cfg(feature = "service")]
            Self::Install => "install it as a service of systemd, and start that",
            #[cfg(feature = "service")]
            Self::Uninstall => "undo `install`",
            Self::Check => "evaluate its key `check`; change nothing",
            Self::Run => "run it in the foreground",
        }
    }

    /// Returns what the action's own arguments do, which stand after its word.
    fn arguments(self) -> &'static str {
        match self {
            Self::Logs => ": the last 50 lines, or -n N; -f follows it",
            #[cfg(feature = "service")]
            Self::Unit => ", with --timer also a timer",
            _ => "",
        }
    }

    /// Returns the usage text of a program whose first argument is an action.
    pub(crate) fn usage(program: &str, has_version: bool) -> String {
        let mut text = format!("usage: {program} ACTION\n\n");
        for action in Self::ALL {
            let _ = writeln!(text, "  {action:<9} {}{}", action.meaning(), action.arguments());
        }
        text.push_str("  help      print this text\n");
        text.push_str("\noptions, before the action:\n\n");
        #[cfg(feature = "json")]
        text.push_str("  --json    report in one line of JSON\n");
        text.push_str("  --all     with status or stop: every running daemon of this program\n");
        if has_version {
            text.push_str("  --version print the version\n");
        }
        text
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
