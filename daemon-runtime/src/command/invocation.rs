//! An action with its options, as a command line has them.

use std::ffi::{OsStr, OsString};

use crate::command::action::Action;
use crate::command::error::{Error, Result, list};
use crate::command::format::Format;
use crate::command::words::{missing, read};

/// An action with its options, read from a command line: `[OPTION...] ACTION [ARGUMENT...]`.
///
/// A fn with [`#[daemon]`](https://docs.rs/daemonic/latest/daemonic/attr.daemon.html) that is not `main` takes it as
/// its action. With `main`, the runtime reads it.
///
/// | option | before | meaning |
/// |---|---|---|
/// | `--json` | every action | report in one line of JSON, with `--all` one for each daemon (feature `json`) |
/// | `--all` | `status`, `stop` | act on every running daemon of this program |
///
/// | action | arguments |
/// |---|---|
/// | `logs` | `-n N`: the last `N` lines (50); `-f`: follow the log (without `--json`) |
/// | `next` | `N`: the next `N` runs (1) (feature `cron`) |
/// | `unit` | `--timer`: a service and a timer (feature `service`) |
///
/// All other arguments after the action are the caller's own and are not read. But `--json` or `--all` right after
/// `stop`, `status`, `reload` or `check` is refused, because it would have no effect there.
///
/// An action that was read from a command line shows on a terminal what it waits for: if `start`, `stop`, `restart` or
/// `ensure` takes longer than half a second, a line on standard error has the time left. It is cleared afterwards. If
/// standard error is not a terminal, or `TERM` is `dumb`, nothing is shown.
///
/// With the feature `clap`, an invocation is also a subcommand, which
/// [a chapter of the guide](https://docs.rs/daemonic/latest/daemonic/guide/clap/) describes.
///
/// # Examples
///
/// ```
/// use daemonic::{Action, Invocation};
///
/// let invocation = Invocation::from_args(["logs", "-n", "20", "-f"])?;
/// assert_eq!(invocation.action(), Action::Logs);
/// assert!(Invocation::from_args(["--colour", "status"]).unwrap_err().is_usage());
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub(crate) action: Action,
    pub(crate) format: Format,
    /// Whether the action is for every running daemon of the program.
    pub(crate) all: bool,
    pub(crate) origin: Origin,
    /// How many lines of the log to show.
    pub(crate) lines: Option<usize>,
    /// Whether to follow the log.
    pub(crate) follow: bool,
    /// How many runs to list.
    #[cfg(feature = "cron")]
    pub(crate) runs: usize,
    /// Whether a timer is printed with the unit.
    #[cfg(feature = "service")]
    pub(crate) timer: bool,
}

/// The origin of an invocation. Invocations that differ only in their origin are equal.
#[derive(Debug, Clone, Copy, Eq)]
pub(crate) enum Origin {
    /// A call in a program.
    Code,
    /// The arguments of a program, so that a person may wait for the answer.
    CommandLine,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl From<Action> for Invocation {
    fn from(action: Action) -> Self {
        Self {
            action,
            format: Format::Text,
            all: false,
            origin: Origin::Code,
            lines: None,
            follow: false,
            #[cfg(feature = "cron")]
            runs: 1,
            #[cfg(feature = "service")]
            timer: false,
        }
    }
}

impl Invocation {
    /// Reads the arguments of a program, without its name: options, an action, the action's arguments.
    ///
    /// # Errors
    ///
    /// Fails if there is no action, or an unknown one, or an option that is unknown or does not go with the action.
    /// [`Error::is_usage`] is true of the error.
    ///
    /// A dispatcher takes the `Result` as it is, and adds the daemon's name to the error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Invocation, daemon};
    ///
    /// #[daemon]
    /// fn example() {}
    ///
    /// fn main() -> std::process::ExitCode {
    ///     daemonic::report(example(Invocation::from_args(std::env::args_os().skip(1))))
    /// }
    /// ```
    pub fn from_args<I: IntoIterator<Item: Into<OsString>>>(arguments: I) -> Result<Self> {
        let mut format = Format::Text;
        let invocation = Self::read(arguments.into_iter().map(Into::into), &mut format);
        invocation.map_err(|error| error.in_format(format))
    }

    /// Reads the arguments as [`from_args`](Self::from_args) does, and sets the format even if it fails.
    fn read(mut arguments: impl Iterator<Item = OsString>, format: &mut Format) -> Result<Self> {
        let mut all = false;
        let word = loop {
            let argument = arguments.next();
            match argument.as_deref().and_then(OsStr::to_str) {
                #[cfg(feature = "json")]
                Some("--json") => *format = Format::Json,
                #[cfg(not(feature = "json"))]
                Some("--json") => {
                    return Err(Error::usage(format_args!(
                        "`--json` needs the feature `json` of the crate `daemonic`"
                    )));
                }
                Some("--all") => all = true,
                Some(option) if option.starts_with('-') => return Err(unknown(option, OPTIONS)),
                _ => break argument,
            }
        };
        let mut invocation = Self {
            format: *format,
            all,
            origin: Origin::CommandLine,
            ..read(&word.ok_or_else(missing)?)?.into()
        };
        invocation.read_arguments(arguments)?;
        invocation.verify()?;
        Ok(invocation)
    }

    /// Returns the action.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Reads what comes after the action's word.
    fn read_arguments(&mut self, mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
        match self.action {
            Action::Logs => {
                while let Some(argument) = arguments.next() {
                    match argument.to_str() {
                        Some("-f") => self.follow = true,
                        Some("-n") => self.lines = Some(count(arguments.next().as_deref())?),
                        Some(option) if option.starts_with("-n") => {
                            self.lines = Some(count(Some(OsStr::new(&option[2..])))?);
                        }
                        Some(option) if option.starts_with('-') => {
                            return Err(unknown(option, &["-n N", "-f"]));
                        }
                        _ => {}
                    }
                }
            }
            #[cfg(feature = "cron")]
            Action::Next => {
                if let Some(argument) = arguments.next() {
                    self.runs = count_of_runs(&argument)?;
                }
            }
            #[cfg(feature = "service")]
            Action::Unit => {
                // What comes after the first word that is not an option is the body's, as it is in the unit.
                for argument in arguments {
                    match argument.to_str() {
                        Some("--timer") => self.timer = true,
                        Some(option) if option.starts_with('-') && !["-", "--"].contains(&option) => {
                            return Err(unknown(option, &["--timer"]));
                        }
                        _ => break,
                    }
                }
            }
            // These actions call no body, so nothing else would read an option that comes too late.
            Action::Stop | Action::Status | Action::Reload | Action::Check => {
                let late = arguments.next().and_then(|argument| argument.into_string().ok());
                if let Some(option) = late.filter(|argument| matches!(argument.as_str(), "--json" | "--all"))
                {
                    return Err(Error::usage(format_args!(
                        "the option `{option}` stands before the action, as in `{option} {}`",
                        self.action
                    )));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses options that do not go with the action.
    pub(crate) fn verify(&self) -> Result<()> {
        if self.all && !matches!(self.action, Action::Status | Action::Stop) {
            return Err(Error::usage(format_args!(
                "`--all` goes with `status` and `stop` only, not with `{}`",
                self.action
            )));
        }
        if self.follow && self.format != Format::Text {
            return Err(Error::usage(format_args!(
                "`--json` does not go with `logs -f`, which never ends; use one of them"
            )));
        }
        Ok(())
    }
}

/// The options before the action. The usage text of a whole program lists its further ones, such as `--version`.
const OPTIONS: &[&str] = if cfg!(feature = "json") { &["--json", "--all"] } else { &["--all"] };

/// A question that a whole program answers instead of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `help`, `--help` or `-h`.
    Help,
    /// `--version` or `-V`.
    Version,
}

impl Question {
    /// Looks for a question among the options before the action, or in the action's place.
    pub(crate) fn of(arguments: &[OsString]) -> Option<Self> {
        let mut words = arguments.iter().map(|argument| argument.to_str());
        match words.find(|word| !matches!(word, Some("--json" | "--all")))?? {
            "help" | "--help" | "-h" => Some(Self::Help),
            "--version" | "-V" => Some(Self::Version),
            _ => None,
        }
    }
}

fn count(argument: Option<&OsStr>) -> Result<usize> {
    let text = argument.and_then(OsStr::to_str);
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::usage(format_args!("`-n` needs a number of lines, such as `-n 50`")))
}

#[cfg(feature = "cron")]
pub(crate) fn count_of_runs(argument: &OsStr) -> Result<usize> {
    let count = argument.to_str().and_then(|text| text.parse().ok()).filter(|count| *count > 0);
    count.ok_or_else(|| {
        let argument = argument.to_string_lossy();
        Error::usage(format_args!("`next` takes a number of runs, such as `next 5`, and not {argument:?}"))
    })
}

fn unknown(option: &str, known: &[&str]) -> Error {
    let use_known = if known.len() == 1 { "use" } else { "use one of" };
    Error::usage(format_args!("unknown option `{option}`; {use_known} {}", list(known.iter().copied())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> std::result::Result<Invocation, String> {
        let invocation = Invocation::from_args(arguments).map_err(|error| {
            assert!(error.is_usage(), "{error}");
            error.to_string()
        })?;
        assert!(matches!(invocation.origin, Origin::CommandLine));
        Ok(invocation)
    }

    #[test]
    fn options_come_before_the_action_in_any_order() {
        assert_eq!(read(&["start"]).unwrap(), Action::Start.into());
        for action in [Action::Status, Action::Stop] {
            let all = Invocation { all: true, ..action.into() };
            assert_eq!(read(&["--all", action.as_str()]).unwrap(), all);
            assert_eq!(read(&["--all", "--all", action.as_str()]).unwrap(), all, "twice is once");
            #[cfg(feature = "json")]
            for options in [["--all", "--json"], ["--json", "--all"]] {
                let both = Invocation { format: Format::Json, ..all.clone() };
                assert_eq!(read(&[&options[..], &[action.as_str()]].concat()).unwrap(), both);
            }
        }
    }

    #[test]
    fn what_comes_after_an_action_with_a_body_is_not_read() {
        for action in [Action::Start, Action::Restart, Action::Ensure, Action::Run] {
            let arguments = [action.as_str(), "--json", "--all", "-n", "-x", "stop"];
            assert_eq!(read(&arguments).unwrap(), action.into());
        }
    }

    #[test]
    fn an_option_after_an_action_without_a_body_is_refused() {
        for action in [Action::Stop, Action::Status, Action::Reload, Action::Check] {
            for option in OPTIONS {
                assert_eq!(
                    read(&[action.as_str(), option]).unwrap_err(),
                    format!("the option `{option}` stands before the action, as in `{option} {action}`")
                );
                assert_eq!(read(&[action.as_str(), "alpha", option]).unwrap(), action.into());
            }
        }
    }

    #[test]
    fn the_arguments_of_logs_are_read() {
        let logs = Invocation::from(Action::Logs);
        for (arguments, lines, follow) in [
            (&["logs"][..], None, false),
            (&["logs", "-n", "3"], Some(3), false),
            (&["logs", "-n3", "-f"], Some(3), true),
            (&["logs", "-f", "-n", "0"], Some(0), true),
        ] {
            assert_eq!(read(arguments).unwrap(), Invocation { lines, follow, ..logs.clone() });
        }
        for arguments in [&["logs", "-n"][..], &["logs", "-n", "-1"], &["logs", "-nx"]] {
            assert_eq!(read(arguments).unwrap_err(), "`-n` needs a number of lines, such as `-n 50`");
        }
        assert_eq!(read(&["logs", "-x"]).unwrap_err(), "unknown option `-x`; use one of -n N, -f");
    }

    #[cfg(feature = "service")]
    #[test]
    fn only_the_first_arguments_of_unit_are_read() {
        let unit = Invocation::from(Action::Unit);
        for (line, timer) in [
            ("unit", false),
            ("unit --timer --timer", true),
            ("unit --timer alpha -x", true),
            ("unit alpha --timer", false),
            ("unit -- --timer", false),
            ("unit - -x", false),
        ] {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(read(&words).unwrap(), Invocation { timer, ..unit.clone() }, "{line}");
        }
        assert_eq!(read(&["unit", "-x"]).unwrap_err(), "unknown option `-x`; use --timer");
    }

    #[cfg(feature = "cron")]
    #[test]
    fn the_argument_of_next_is_a_number_of_runs() {
        let next = Invocation::from(Action::Next);
        for (arguments, runs) in [(&["next"][..], 1), (&["next", "5"], 5), (&["next", "5", "6"], 5)] {
            assert_eq!(read(arguments).unwrap(), Invocation { runs, ..next.clone() });
        }
        for argument in ["0", "-1", "five", ""] {
            let message = format!("`next` takes a number of runs, such as `next 5`, and not {argument:?}");
            assert_eq!(read(&["next", argument]).unwrap_err(), message);
        }
    }

    #[test]
    fn an_error_is_reported_as_the_option_before_it_says() {
        let format = |arguments: &[&str]| Invocation::from_args(arguments).unwrap_err().format();
        assert_eq!(format(&["-x", "--json"]), Format::Text);
        #[cfg(feature = "json")]
        for arguments in [
            &["--json"][..],
            &["--json", "-x"],
            &["--json", "--all", "run"],
            &["--json", "logs", "-x"],
            &["--json", "logs", "-f"],
        ] {
            assert_eq!(format(arguments), Format::Json);
        }
        #[cfg(not(feature = "json"))]
        assert_eq!(format(&["--json", "status"]), Format::Text);
    }

    #[test]
    fn a_question_stands_in_the_place_of_the_action() {
        let of = |words: &[&str]| Question::of(&words.iter().map(OsString::from).collect::<Vec<_>>());
        for words in [&["help"][..], &["--help"], &["-h"], &["--json", "help"], &["--all", "-h", "start"]] {
            assert_eq!(of(words), Some(Question::Help));
        }
        for words in [&["--version"][..], &["-V"], &["--json", "--version"]] {
            assert_eq!(of(words), Some(Question::Version));
        }
        for words in [&[][..], &["start"], &["start", "help"], &["version"], &["-x", "--help"], &["--json"]] {
            assert_eq!(of(words), None);
        }
    }
}
