//! The builder `Daemon`, whose methods set the keys or carry out an action.

mod actions;
mod keys;
mod repeating;
#[cfg(feature = "service")]
mod service;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use crate::command::action::Action;
use crate::command::error::Error;
use crate::command::format::Format;
use crate::command::into_action::IntoAction;
use crate::command::invocation::{Invocation, Origin, Question};
use crate::command::outcome::{Result, report};
use crate::life::body::{Body, BodyResult, Once};
use crate::life::repeat::Repeating;
#[cfg(feature = "json")]
use crate::lock::sight;
use crate::progress::Progress;
use crate::settings::{BodyCalls, Settings};
#[cfg(feature = "cron")]
use crate::timing::Cron;
#[cfg(not(feature = "cron"))]
use crate::timing::EnableTheFeatureCronOfDaemonic;
use crate::timing::Timing;

/// A builder that turns a function into a daemon.
///
/// Its actions start, stop, restart and reload the daemon, report its status, or run it in the foreground. The
/// attribute macros expand to a chain of these methods.
///
/// # Examples
///
/// ```no_run
/// use daemonic::Daemon;
/// use std::time::Duration;
///
/// fn main() -> daemonic::Result {
///     Daemon::new("example")
///         .stdout("example.log")
///         .every(Duration::from_secs(5))
///         .dispatch(std::env::args().nth(1), || println!("testing daemon ..."))
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until one of its actions is called"]
pub struct Daemon<M = Once> {
    settings: Settings,
    mode: M,
}

impl Daemon {
    /// Creates a builder with the default of every key, for a body that is called once.
    ///
    /// The name is used in messages and in the path of the default pidfile. It must not contain a `/`.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let captured = String::from("the body is called once, so it can move out of what it captures");
    /// let outcome = Daemon::new("new-example").run(move || drop(captured))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { settings: Settings::new(name.into()), mode: Once }
    }

    /// Makes the body run once a period until the daemon is stopped.
    ///
    /// The first run begins at once, or after a [`delay`](Daemon::delay). Each later run is due a whole number of
    /// periods after the first, so the runs do not drift. A stop during a pause ends the daemon at once; a stop during
    /// a run lets the run finish. Pauses follow the monotonic clock, which stands still while the machine is suspended;
    /// [`clock`](Daemon::clock) chooses another one. On systems other than Linux, each pause is rounded up to a
    /// millisecond.
    ///
    /// A zero period makes every start fail. With a period that the clock cannot reach, such as [`Duration::MAX`], the
    /// body runs once, and the daemon then waits for the stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::{Duration, Instant};
    ///
    /// let daemon = Daemon::new("every-example");
    /// let begin = Instant::now();
    /// daemon.every(Duration::from_millis(10)).times(3).run(|| println!("tick"))?;
    /// assert!(begin.elapsed() >= Duration::from_millis(20)); // three runs, two pauses
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn every(self, period: Duration) -> Daemon<Repeating> {
        self.repeating(Timing::every(period))
    }

    /// Makes the body run at the times of a cron expression until the daemon is stopped.
    ///
    /// The expression has five fields: minute, hour, day of month, month, and day of week. Each is a list of values,
    /// ranges and steps, as in [crontab(5)](https://manpages.debian.org/bookworm/cron/crontab.5.en.html), with names
    /// such as `JAN` and `FRI`; `L` is the last day of the month, `15W` the workday nearest to the 15th, `FRI#2` the
    /// second Friday, and `FRIL` the last one. `@yearly`, `@monthly`, `@weekly`, `@daily` and `@hourly` are short for
    /// such expressions.
    ///
    /// The times are those of the [`timezone`](Daemon::timezone). If its clocks change, or the clock of the machine is
    /// set, the rule is that of Debian's [cron(8)](https://manpages.debian.org/bookworm/cron/cron.8.en.html): a run at a
    /// fixed time takes place exactly once, whether the clock jumps over it or shows it twice. A run whose minute or
    /// hour has a `*` follows elapsed time. After a change of more than three hours, nothing is made up for.
    ///
    /// Runs that are due while another one runs are skipped, with a line in the log. A stop during a pause ends the
    /// daemon at once; a stop during a run lets the run finish.
    ///
    /// A wrong expression makes every start fail. This needs Linux.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("nightly").cron("30 3 * * *").timezone("Europe/Berlin");
    /// daemon.start(|| println!("it is half past three in Berlin"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg(feature = "cron")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    pub fn cron(self, expression: impl AsRef<str>) -> Daemon<Repeating<Cron>> {
        self.repeating(Timing::cron(expression.as_ref()))
    }

    #[cfg(not(feature = "cron"))]
    #[doc(hidden)]
    pub fn cron(self, _: impl AsRef<str>) -> EnableTheFeatureCronOfDaemonic {
        EnableTheFeatureCronOfDaemonic::default()
    }

    fn repeating<W>(self, timing: Timing) -> Daemon<Repeating<W>> {
        let mut settings = self.settings;
        settings.timing = Some(timing.clone());
        settings.calls = BodyCalls::Repeated;
        Daemon { settings, mode: Repeating::new(timing) }
    }
}

/// The command line.
impl<M> Daemon<M> {
    /// Carries out `action`, for a program with a command line.
    ///
    /// In the background daemon, this does not return: the process ends when the body does. The action `logs` writes
    /// the lines of the log to standard output. Every other message is in the result, which [`report`] prints.
    ///
    /// # Errors
    ///
    /// Fails if the action is missing or unknown, or as the action's own method does.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("dispatch-example");
    /// let outcome = daemon.dispatch("run", || println!("in the foreground"))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn dispatch<K, B: Body<M, K, Output: BodyResult>>(&self, action: impl IntoAction, body: B) -> Result {
        let invocation = action.into_invocation().map_err(|error| error.named(&self.settings.name))?;
        match invocation.format {
            Format::Text => self.act(&invocation, body),
            #[cfg(feature = "json")]
            Format::Json => {
                // Made before the action, after which this process may have another user.
                let plan = self.settings.plan();
                let result = self.act(&invocation, body);
                // The default pidfile depends on whether the unit is installed.
                #[cfg(feature = "service")]
                let plan = match invocation.action {
                    Action::Install | Action::Uninstall => self.settings.plan(),
                    _ => plan,
                };
                sight::describe(plan.ok().as_ref(), invocation.action, result)
            }
        }
    }

    fn act<K, B: Body<M, K, Output: BodyResult>>(&self, invocation: &Invocation, body: B) -> Result {
        let name = &self.settings.name;
        let progress = match invocation.origin {
            Origin::CommandLine => Progress::on_terminal(name),
            Origin::Code => Progress::silent(),
        };
        match invocation.action {
            Action::Start => self.start_showing(progress, body),
            Action::Stop if invocation.all => self.stop_all_showing(progress),
            Action::Stop => self.stop_showing(progress),
            Action::Restart => self.restart_showing(progress, body),
            Action::Ensure => self.ensure_showing(progress, body),
            Action::Status if invocation.all => self.status_all(),
            Action::Status => self.status(),
            Action::Reload => self.reload(),
            Action::Logs => self.print_logs(invocation),
            Action::Check => self.check_alone::<K, B>(),
            #[cfg(feature = "cron")]
            Action::Next => self.next_runs(invocation.runs),
            Action::Once => self.once_showing(progress, body),
            #[cfg(feature = "service")]
            Action::Unit => self.print_unit(invocation.timer),
            #[cfg(feature = "service")]
            Action::Install => self.check_and_install::<K, B>(),
            #[cfg(feature = "service")]
            Action::Uninstall => self.uninstall(),
            Action::Run => self.run(body),
        }
    }

    /// Carries out the action on the command line, prints the message and returns the exit code: the whole of a `main`.
    ///
    /// The arguments are [options, the action, and those of the body](Invocation). `help` prints the usage text, and
    /// `--version` the [`version`](Daemon::version). A missing or unknown action, or a wrong option, prints the usage
    /// text too, with exit code 2.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Daemon::new("example").main(|| println!("one run"))
    /// }
    /// ```
    pub fn main<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> ExitCode {
        let arguments: Vec<_> = env::args_os().skip(1).collect();
        let Settings { name, version, .. } = &self.settings;
        let usage = Action::usage(name, version.is_some());
        let answer = match (Question::of(&arguments), version) {
            (Some(Question::Help), _) => Some(usage.clone()),
            (Some(Question::Version), Some(version)) => Some(format!("{name} {version}\n")),
            (Some(Question::Version), None) | (None, _) => None,
        };
        if let Some(answer) = answer {
            let _ = io::stdout().write_all(answer.as_bytes());
            return ExitCode::SUCCESS;
        }
        let result = self.dispatch(Invocation::from_args(arguments), body);
        let is_usage_error = result.as_ref().is_err_and(Error::is_usage);
        let format = result.as_ref().map_or_else(Error::format, |_| Format::Text);
        let code = report(result);
        if is_usage_error && format == Format::Text {
            let _ = io::stderr().write_all(usage.as_bytes());
        }
        code
    }
}
