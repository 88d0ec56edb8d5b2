//! Actions as values or subcommands of clap.

use std::fmt::Display;

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, ValueEnum, value_parser};

use crate::command::action::Action;
use crate::command::error::Error;
#[cfg(feature = "json")]
use crate::command::format::Format;
#[cfg(feature = "cron")]
use crate::command::invocation::count_of_runs;
use crate::command::invocation::{Invocation, Origin};

/// The names of the arguments, which are also those of the options.
#[cfg(feature = "json")]
const JSON: &str = "json";
const ALL: &str = "all";
const LINES: &str = "lines";
const FOLLOW: &str = "follow";
#[cfg(feature = "cron")]
const RUNS: &str = "runs";
#[cfg(feature = "service")]
const TIMER: &str = "timer";
#[cfg(feature = "service")]
const BODY: &str = "body";

/// An action as the value of an argument.
#[cfg_attr(docsrs, doc(cfg(feature = "clap")))]
impl ValueEnum for Action {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()).help(self.meaning()))
    }
}

/// A subcommand for each action. A subcommand that is already there, such as the program's own `start`, is left alone.
#[cfg_attr(docsrs, doc(cfg(feature = "clap")))]
impl Subcommand for Action {
    fn augment_subcommands(command: Command) -> Command {
        add_actions(command, |_, subcommand| subcommand)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name.parse::<Self>().is_ok()
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "clap")))]
impl FromArgMatches for Action {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        action(matches).map_err(Refusal::whole)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        action(matches).map_err(Refusal::of_a_part)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        // Without a subcommand, an update changes nothing.
        if matches.subcommand_name().is_some() {
            *self = Self::from_arg_matches(matches)?;
        }
        Ok(())
    }
}

/// A subcommand for each action, with the action's own arguments. The options before the action become arguments of the
/// command above. A subcommand that is already there, such as the program's own `start`, is left alone.
#[cfg_attr(docsrs, doc(cfg(feature = "clap")))]
impl Subcommand for Invocation {
    fn augment_subcommands(command: Command) -> Command {
        let all = flag(ALL).long(ALL).help("act on every running daemon of this program (status, stop)");
        #[cfg(feature = "json")]
        let command = command.arg(flag(JSON).long(JSON).help("report in one line of JSON"));
        add_actions(command.arg(all), |action, subcommand| match action {
            Action::Logs => {
                let lines = Arg::new(LINES).short('n').value_name("N").value_parser(value_parser!(usize));
                subcommand
                    .arg(lines.help("how many lines to print [default: 50]"))
                    .arg(flag(FOLLOW).short('f').help("follow the log"))
            }
            #[cfg(feature = "cron")]
            Action::Next => {
                let runs = Arg::new(RUNS).value_name("N");
                let read = |argument: &str| count_of_runs(argument.as_ref());
                subcommand.arg(runs.value_parser(read).help("how many runs to print [default: 1]"))
            }
            #[cfg(feature = "service")]
            Action::Unit => {
                let timer = flag(TIMER).long(TIMER).help("print a service with a timer");
                subcommand.arg(timer).arg(arguments_of_body())
            }
            #[cfg(feature = "service")]
            Action::Install => subcommand.arg(arguments_of_body()),
            _ => subcommand,
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Action::has_subcommand(name)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "clap")))]
impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        invocation(matches).map_err(Refusal::whole)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        invocation(matches).map_err(Refusal::of_a_part)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if matches.subcommand_name().is_some() {
            *self = Self::from_arg_matches(matches)?;
        }
        Ok(())
    }
}

/// Adds the actions that the command does not have yet.
fn add_actions(command: Command, complete: impl Fn(Action, Command) -> Command) -> Command {
    Action::ALL.iter().fold(command, |command, action| {
        if command.find_subcommand(action.as_str()).is_some() {
            return command;
        }
        command.subcommand(complete(*action, Command::new(action.as_str()).about(action.meaning())))
    })
}

/// Makes the argument for the words after `--`, which the unit gives to the body. They are read from the command line.
#[cfg(feature = "service")]
fn arguments_of_body() -> Arg {
    Arg::new(BODY).value_name("ARGUMENTS").num_args(0..).last(true).help("the unit's arguments for the body")
}

fn flag(name: &'static str) -> Arg {
    Arg::new(name).action(ArgAction::SetTrue)
}

/// Returns whether a flag is given. The command may lack it, if the flag is another action's.
fn is_set(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one(name).ok().flatten().copied().unwrap_or_default()
}

/// The reason why matches cannot be read as an action, with the kind of the error.
struct Refusal(ErrorKind, String);

impl Refusal {
    fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self(kind, message.to_string())
    }

    /// Makes an error that the caller prints as it is.
    fn whole(self) -> clap::Error {
        clap::Error::raw(self.0, self.1 + "\n")
    }

    /// Makes an error of a field. The derived code of the command adds an empty line and the usage.
    fn of_a_part(self) -> clap::Error {
        clap::Error::raw(self.0, self.1)
    }
}

fn action(matches: &ArgMatches) -> Result<Action, Refusal> {
    let word = matches.subcommand_name();
    let word = word.ok_or_else(|| Refusal::new(ErrorKind::MissingSubcommand, "missing action"))?;
    word.parse().map_err(|error: Error| Refusal::new(ErrorKind::InvalidSubcommand, error))
}

fn invocation(matches: &ArgMatches) -> Result<Invocation, Refusal> {
    let mut invocation = Invocation::from(action(matches)?);
    invocation.origin = Origin::CommandLine;
    invocation.all = is_set(matches, ALL);
    #[cfg(feature = "json")]
    if is_set(matches, JSON) {
        invocation.format = Format::Json;
    }
    if let Some((_, arguments)) = matches.subcommand() {
        invocation.lines = arguments.try_get_one(LINES).ok().flatten().copied();
        invocation.follow = is_set(arguments, FOLLOW);
        #[cfg(feature = "cron")]
        if let Some(runs) = arguments.try_get_one(RUNS).ok().flatten() {
            invocation.runs = *runs;
        }
        #[cfg(feature = "service")]
        {
            invocation.timer = is_set(arguments, TIMER);
        }
    }
    invocation.verify().map_err(|error| Refusal::new(ErrorKind::ArgumentConflict, error))?;
    Ok(invocation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions() -> Command {
        Action::augment_subcommands(Command::new("example"))
    }

    fn invocations() -> Command {
        Invocation::augment_subcommands(Command::new("example"))
    }

    fn read(words: &[&str]) -> Result<Invocation, clap::Error> {
        let words = [&["example"], words].concat();
        Invocation::from_arg_matches(&invocations().try_get_matches_from(words)?)
    }

    #[test]
    fn every_action_is_a_value_and_a_subcommand_with_the_usage_text_as_help() {
        actions().debug_assert();
        invocations().debug_assert();
        for action in Action::ALL {
            let value = action.to_possible_value().unwrap();
            assert_eq!(value.get_help().unwrap().to_string(), action.meaning());
            assert_eq!(<Action as ValueEnum>::from_str(action.as_str(), false), Ok(*action));
            for command in [actions(), invocations()] {
                let subcommand = command.find_subcommand(action.as_str()).unwrap();
                assert_eq!(subcommand.get_about().unwrap().to_string(), action.meaning());
            }
            let matches = actions().try_get_matches_from(["example", action.as_str()]).unwrap();
            assert_eq!(Action::from_arg_matches(&matches).unwrap(), *action);
            assert!(Action::has_subcommand(action.as_str()) && Invocation::has_subcommand(action.as_str()));
        }
        assert!(!Action::has_subcommand("help"));
    }

    #[test]
    fn an_invocation_is_read_as_without_clap() {
        let mut lines =
            vec!["status", "--all status", "--all stop", "start", "logs", "logs -n 20", "logs -f -n5"];
        if cfg!(feature = "json") {
            lines.extend(["--json start", "--json --all status", "--json logs"]);
        }
        if cfg!(feature = "cron") {
            lines.extend(["next", "next 5"]);
        }
        if cfg!(feature = "service") {
            lines.extend(["unit", "unit --timer", "install", "install -- --port 1"]);
        }
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(read(&words).unwrap(), Invocation::from_args(words).unwrap(), "{line}");
        }
    }

    #[test]
    fn an_option_that_does_not_go_with_the_action_is_refused() {
        for line in
            ["--all start", "--colour status", "logs -n x", "logs --all", "status -f", "begin", "start 1"]
        {
            let error = read(&line.split(' ').collect::<Vec<_>>()).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        let error = read(&["--all", "start"]).unwrap_err().to_string();
        assert_eq!(error, "error: `--all` goes with `status` and `stop` only, not with `start`\n");
        let error = read(&[]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::MissingSubcommand, 2));
    }

    #[cfg(feature = "cron")]
    #[test]
    fn the_argument_of_next_is_a_number_of_runs() {
        for argument in ["0", "x"] {
            let error = read(&["next", argument]).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2), "{argument}");
        }
    }

    /// The derived code of a command reads a field so, and adds the end of the line with the usage.
    #[test]
    fn an_error_of_a_field_does_not_end_its_line() {
        let mut matches = invocations().try_get_matches_from(["example", "--all", "start"]).unwrap();
        let error = Invocation::from_arg_matches_mut(&mut matches).unwrap_err().to_string();
        assert_eq!(error, "error: `--all` goes with `status` and `stop` only, not with `start`");
    }

    #[test]
    fn an_action_of_the_program_is_left_alone() {
        let own = Command::new("start").about("our own").arg(flag("port").long("port"));
        let command = Invocation::augment_subcommands(Command::new("example").subcommand(own));
        command.clone().debug_assert();
        assert_eq!(command.find_subcommand("start").unwrap().get_about().unwrap().to_string(), "our own");
        let matches = command.try_get_matches_from(["example", "start", "--port"]).unwrap();
        assert_eq!(Invocation::from_arg_matches(&matches).unwrap(), Action::Start.into());
    }

    #[test]
    fn an_update_without_an_action_changes_nothing() {
        let (mut action, mut updated) = (Action::Stop, Invocation::from(Action::Stop));
        for (words, expected) in [(&["example"][..], Action::Stop), (&["example", "run"], Action::Run)] {
            let matches = actions().try_get_matches_from(words).unwrap();
            action.update_from_arg_matches(&matches).unwrap();
            updated.update_from_arg_matches(&matches).unwrap();
            assert_eq!((action, updated.clone()), (expected, expected.into()));
        }
    }
}
