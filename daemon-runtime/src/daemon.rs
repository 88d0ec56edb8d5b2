//! The builder `Daemon`, whose methods set the keys or carry out an action.

#[cfg(feature = "service")]
mod service;

use std::borrow::Cow;
use std::env;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::command::account::Account;
use crate::command::action::Action;
use crate::command::children::Children;
use crate::command::error::Error;
use crate::command::format::Format;
use crate::command::into_action::IntoAction;
use crate::command::invocation::{Invocation, Origin, Question};
use crate::command::outcome::{Answer, Outcome, Result, report};
use crate::command::report::Ran;
use crate::command::respawn::Respawn;
use crate::command::signal::Signal;
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;
use crate::life::body::{Body, BodyResult, Once};
use crate::life::check::{CheckResult, Checked};
use crate::life::pace::Missed;
use crate::life::repeat::{OnError, Repeating};
use crate::life::repeats::Repeats;
use crate::life::respawning::Respawning;
use crate::life::setup::{SetupResult, WithSetup};
use crate::life::streams;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::lock::ready::Patience;
use crate::lock::siblings;
#[cfg(feature = "json")]
use crate::lock::sight;
use crate::lock::sight::Sight;
use crate::lock::stop::{self, Stopped};
use crate::logs::{file, follow};
use crate::progress::Progress;
#[cfg(feature = "service")]
use crate::service::installed_service;
#[cfg(feature = "service")]
use crate::service::journal::Journal;
use crate::settings::{BodyCalls, Plan, Settings};
use crate::start::preconditions;
use crate::start::startup::{self, Startup};
use crate::sys::process::number;
#[cfg(feature = "cron")]
use crate::timing::Cron;
#[cfg(not(feature = "cron"))]
use crate::timing::EnableTheFeatureCronOfDaemonic;
use crate::timing::{Clock, Timing};

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

    /// Makes the body run once a period until it is stopped.
    ///
    /// The first run begins at once, or after a [`delay`](Daemon::delay). Each later run is due a whole number of
    /// periods after the first, so the runs do not drift. A stop during a pause ends the daemon at once; a stop during a
    /// run lets the run finish. Pauses follow the monotonic clock, which stands still while the machine is suspended;
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

    /// Makes the body run at the times of a cron expression until it is stopped.
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

/// The keys of a daemon with [`every`](Daemon::every).
impl Daemon<Repeating> {
    /// Sets the effect of a run that takes longer than the period on the runs after it.
    ///
    /// By default the missed runs are [skipped](Missed::Skip). The same applies to runs that were due while the machine
    /// or the daemon was suspended: one run is late, and the others are skipped. With [`Missed::Delay`], too, one run is
    /// late. With [`Missed::Burst`], each of them is made up for.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Daemon, Missed};
    /// use std::time::{Duration, Instant};
    ///
    /// let (period, run) = (Duration::from_millis(5), Duration::from_millis(10));
    /// let daemon = Daemon::new("missed-example").every(period).times(2);
    /// let begin = Instant::now();
    /// daemon.missed(Missed::Delay).run(|| std::thread::sleep(run))?;
    /// assert!(begin.elapsed() >= run + period + run); // a whole period between the end and the next start
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn missed(mut self, missed: Missed) -> Self {
        self.mode.missed = missed;
        self
    }

    /// Sets the pause before the first run. By default there is none.
    ///
    /// With [`catch_up`](Daemon::catch_up) and a last success, only a run that is made up for waits for it.
    ///
    /// The later runs are due whole periods after the first one. The pause is counted by the [`clock`](Daemon::clock) of
    /// the period.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::{Duration, Instant};
    ///
    /// let daemon = Daemon::new("delay-example").every(Duration::from_secs(60)).times(1);
    /// let begin = Instant::now();
    /// daemon.delay(Duration::from_millis(20)).run(|| println!("tick"))?;
    /// assert!(begin.elapsed() >= Duration::from_millis(20));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn delay(self, delay: Duration) -> Self {
        self.change_timing(|timing| timing.change_period(|period| period.delay = delay))
    }

    /// Sets the clock by which the period is measured. By default the time in suspend [does not
    /// count](Clock::Monotonic).
    ///
    /// [`Clock::Boot`] needs Linux. It costs one descriptor, for a timer
    /// ([timerfd_create(2)](https://man7.org/linux/man-pages/man2/timerfd_create.2.html)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Clock, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("backup").every(Duration::from_secs(24 * 3600)).clock(Clock::Boot);
    /// daemon.start(|| println!("a day later, even if the laptop has slept for most of it"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn clock(self, clock: Clock) -> Self {
        self.change_timing(|timing| timing.change_period(|period| period.clock = clock))
    }
}

/// The key of a daemon with [`cron`](Daemon::cron).
#[cfg(feature = "cron")]
impl Daemon<Repeating<Cron>> {
    /// Sets the time zone of the [`cron`](Daemon::cron) expression, by its name in the IANA's database.
    ///
    /// The default is the system's zone: that of the variable `TZ`, otherwise that of `/etc/localtime`. The zone is read
    /// when the daemon is started, before [`chroot`](Daemon::chroot). An unknown zone makes every start fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("timezone-example").cron("0 9 * * MON-FRI").timezone("Asia/Tokio");
    /// let error = daemon.run(|| unreachable!()).unwrap_err();
    /// assert!(error.to_string().contains("unknown time zone `Asia/Tokio`"));
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    pub fn timezone(self, name: impl AsRef<str>) -> Self {
        self.change_timing(|timing| timing.set_timezone(name.as_ref()))
    }
}

/// The keys of a repeating daemon.
impl<W> Daemon<Repeating<W>> {
    /// Changes the timing, of which the settings have a copy for actions that do not know the mode.
    fn change_timing(mut self, change: impl FnOnce(&mut Timing)) -> Self {
        change(&mut self.mode.timing);
        self.settings.timing = Some(self.mode.timing.clone());
        self
    }

    /// Makes each run begin late by a random part of this. By default no run is late.
    ///
    /// So machines that are started together do not all run at the same moment. Each run has a part of its own, which
    /// does not change when the next run is due. No run is early, and no two run at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::{Duration, Instant};
    ///
    /// let daemon = Daemon::new("jitter-example").every(Duration::from_millis(20)).times(3);
    /// let begin = Instant::now();
    /// daemon.jitter(Duration::from_millis(10)).run(|| println!("tick"))?;
    /// assert!(begin.elapsed() >= Duration::from_millis(40));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn jitter(self, jitter: Duration) -> Self {
        self.change_timing(|timing| timing.jitter = jitter)
    }

    /// Ends the daemon with exit status 0 after this many runs.
    ///
    /// The default, 0, means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("times-example");
    /// let mut runs = 0;
    /// daemon.every(Duration::from_millis(1)).times(3).run(|| runs += 1)?;
    /// assert_eq!(runs, 3);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn times(mut self, times: u64) -> Self {
        self.mode.times = times;
        self
    }

    /// Sets the effect of an error or a panic of one run.
    ///
    /// By default, either one [ends](OnError::Stop) the daemon.
    ///
    /// With `panic = "abort"` in the program's profile, a panic ends the daemon in any case: there is no further run,
    /// no destructor is called, and the process exits by SIGABRT. The message is still logged, and `status`
    /// shows it, unless the body replaces the panic hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Daemon, OnError};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("on-error-example").every(Duration::from_millis(1));
    /// let mut runs = 0;
    /// daemon.times(3).on_error(OnError::Continue).run(|| {
    ///     runs += 1;
    ///     Err::<(), _>("the network is down")
    /// })?;
    /// assert_eq!(runs, 3);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.mode.on_error = on_error;
        self
    }

    /// Sets how many further attempts follow a run that has failed, before [`on_error`](Daemon::on_error) decides.
    ///
    /// The default is 0. A run fails by an error, a panic, an exit code other than 0, or at its
    /// [`run_timeout`](Daemon::run_timeout). The pause before the first further attempt is
    /// [`retry_delay`](Daemon::retry_delay), and a stop ends it at once. All attempts together are one run, for
    /// [`times`](Daemon::times) and [`missed`](Daemon::missed) too. Each failure that an attempt follows is a line in
    /// the log.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("retry-example").every(Duration::from_secs(60)).times(1);
    /// let mut attempts = 0;
    /// let outcome = daemon.retry(3).retry_delay(Duration::from_millis(1)).run(|| {
    ///     attempts += 1;
    ///     if attempts < 3 { Err("the network is down") } else { Ok(()) }
    /// })?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// assert_eq!(attempts, 3);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn retry(mut self, retries: u32) -> Self {
        self.mode.retry.retries = retries;
        self
    }

    /// Sets the pause before the first further attempt of a run that has failed, if [`retry`](Daemon::retry) is set.
    ///
    /// The default is ten seconds. Each later pause is twice as long as the one before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("fetch").every(Duration::from_secs(3600)).retry(3);
    /// daemon.retry_delay(Duration::from_secs(30)).start(|| Err::<(), _>("again after 30, 60 and 120 seconds"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.mode.retry.delay = delay;
        self
    }

    /// Limits the time of each run, and of each attempt that [`retry`](Daemon::retry) makes.
    ///
    /// When the time is over, [`is_stopping`](crate::Context::is_stopping), [`wait`](crate::Context::wait) and the
    /// other methods of the run's `Context` report a stop. A run that then returns has failed, whatever it returns:
    /// [`retry`](Daemon::retry) and [`on_error`](Daemon::on_error) decide about what follows, and the next run's
    /// `Context` reports no stop. If the daemon itself must stop meanwhile, what the run returns counts.
    ///
    /// If the run has not ended [`stop_timeout`](Daemon::stop_timeout) later, for example because its body has no
    /// `Context`, the daemon ends as failed, with exit code 1. Exit handlers are not called then, and
    /// [`run`](Daemon::run) does not return. With [`respawn`](Daemon::respawn), the body gets another life.
    ///
    /// A thread watches the runs; without this key there is none. A body that starts another daemon by this crate needs
    /// a process with one thread, and so cannot have this key. A zero time makes every start fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon, OnError};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("run-timeout-example").every(Duration::from_millis(1)).times(2);
    /// let mut seen = Vec::new();
    /// daemon.run_timeout(Duration::from_millis(5)).on_error(OnError::Continue).run(|context: &Context| {
    ///     seen.push(context.is_stopping());
    ///     seen.push(context.wait(Duration::MAX)); // until the time is over
    /// })?;
    /// assert_eq!(seen, [false, true, false, true]);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn run_timeout(mut self, limit: Duration) -> Self {
        self.mode.run_timeout = Some(limit);
        self
    }

    /// Makes up for a run that was due while the daemon or the machine was down.
    ///
    /// The daemon keeps the time of its last success in the file [`state`](Daemon::state). If a run was due since then,
    /// the next start makes up for it: once, however many runs were missed, and at once, or after
    /// [`delay`](Daemon::delay) and [`jitter`](Daemon::jitter). This run counts towards [`times`](Daemon::times). With
    /// [`every`](Daemon::every), the due times are counted from that of the last success, so the phase stays. Without a
    /// last success, the first run begins as without this key.
    ///
    /// A run succeeds if its exit code is 0. A run that fails, or that the end of the process interrupts, is made up for.
    /// The daemon writes a line when it does so. A state file that is damaged, or dated in the future, is reported and
    /// ignored.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::{Duration, Instant};
    ///
    /// let daemon = Daemon::new("catch-up-example").every(Duration::from_millis(50)).times(1);
    /// let daemon = daemon.catch_up(true).state("catch-up-example.state");
    /// # let _ = std::fs::remove_file("catch-up-example.state");
    /// daemon.run(|| println!("at once"))?;
    /// let begin = Instant::now();
    /// daemon.run(|| println!("when the period is over"))?;
    /// assert!(begin.elapsed() > Duration::from_millis(1));
    /// # let _ = std::fs::remove_file("catch-up-example.state");
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn catch_up(mut self, catch_up: bool) -> Self {
        self.settings.catch_up = catch_up;
        self
    }

    /// Sets the file in which the time of the last success is kept, for [`catch_up`](Daemon::catch_up).
    ///
    /// The default is `/var/lib/NAME/state` for root. The launcher makes the directory if it is missing, for the
    /// daemon's [`user`](Daemon::user). For another user it is `$XDG_STATE_HOME/NAME.state` or
    /// `$HOME/.local/state/NAME.state`, by the rule of the default [`pidfile`](Daemon::pidfile). The directory of a
    /// given file must exist, and the daemon's user must be able to write to it. With the feature `service`, the default is
    /// `state` in `$STATE_DIRECTORY` if a unit of systemd sets that. With a [`chroot`](Daemon::chroot), the
    /// path is outside of it.
    ///
    /// The file is replaced after each success, by a rename, when the new content is on the disk. It must not be the
    /// pidfile or a log. Without [`catch_up`](Daemon::catch_up), every action fails.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("backup").every(Duration::from_secs(86_400)).catch_up(true);
    /// daemon.state("/var/backups/last-success").start(|| println!("once a day, also after a night without power"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn state(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.state = Some(path.as_ref().into());
        self
    }

    /// Makes a value once, which each run then borrows.
    ///
    /// `setup` is called in the daemon, or in the process of [`run`](Daemon::run), after the change of
    /// [`user`](Daemon::user) and before the daemon is ready. It returns the value, or a `Result` whose error is
    /// `Display`. An error or a panic makes the action fail with its text. The value is dropped in the same process,
    /// when the daemon ends.
    ///
    /// The body's first parameter is a `&mut` to the value, with its type written out; a `&`[`Context`](crate::Context)
    /// may follow. Call this after [`times`](Daemon::times), [`on_error`](Daemon::on_error) and the other keys of a
    /// repeating daemon, which the returned builder no longer has.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::io::Write;
    /// use std::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    /// let address = listener.local_addr().expect("its address");
    /// let daemon = Daemon::new("setup-example").every(Duration::from_millis(1)).times(3);
    /// daemon.setup(|| TcpStream::connect(address)).run(|stream: &mut TcpStream| stream.write_all(b"tick\n"))?;
    /// let (stream, _) = listener.accept().expect("one connection");
    /// assert_eq!(std::io::read_to_string(stream).expect("text"), "tick\ntick\ntick\n");
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn setup<S, R: SetupResult<S>, F: Fn() -> R>(self, setup: F) -> Daemon<WithSetup<S, F, W>> {
        Daemon { settings: self.settings, mode: WithSetup::new(self.mode, setup) }
    }
}

/// The keys. Relative paths are resolved against the caller's directory, before the daemon leaves it.
impl<M> Daemon<M> {
    /// Replaces the name that was given to [`Daemon::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("example").name("name-example");
    /// assert_eq!(daemon.status()?.to_string(), "name-example: not running");
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets the path of the pidfile, which carries the lock
    /// ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)) and, for people, the PID.
    ///
    /// The default is `/run/NAME.pid` for root. For another user it is `$XDG_STATE_HOME/NAME.pid` if that variable is
    /// an absolute path, otherwise `$HOME/.local/state/NAME.pid`. Without an absolute `HOME`, the home directory is the
    /// one in the user database. A start creates the pidfile's directory if it is missing. If the user has no home
    /// directory, every action fails with an error that asks for this key. With the feature `service`, the default is
    /// `NAME.pid` in `$RUNTIME_DIRECTORY` if a unit of systemd sets that, and for an installed service of the machine
    /// `/run/NAME/NAME.pid`.
    ///
    /// Daemons of the same name have the same default. If the holder is proven to be another program, by its path and
    /// by its file ([proc_pid_exe(5)](https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html)), every action fails
    /// and names that program. Set this key if each version of the program is installed at another path.
    ///
    /// Choose a directory in which other users cannot replace the file. Do not choose `/tmp` or `/var/tmp`, where the
    /// system also removes old files.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::fs;
    ///
    /// let pidfile = std::env::current_dir().expect("a current directory").join("pidfile-example.pid");
    /// let mut content = None;
    /// Daemon::new("example").pidfile(&pidfile).run(|| content = fs::read_to_string(&pidfile).ok())?;
    /// assert_eq!(content, Some(format!("{}\n", std::process::id())));
    /// assert!(!pidfile.exists());
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn pidfile(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.pidfile = Some(path.as_ref().into());
        self
    }

    /// Sets the file that the daemon reads as its standard input. The default is `/dev/null`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("copy").stdin("input.txt").stdout("output.txt").start(|| -> std::io::Result<()> {
    ///     print!("{}", std::io::read_to_string(std::io::stdin())?);
    ///     Ok(())
    /// })?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stdin(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.stdin = Some(path.as_ref().into());
        self
    }

    /// Sets the file that standard output is appended to. The default is `/dev/null`.
    ///
    /// The file is created if it is missing. Do not set it to `/dev/stdout`: the daemon would open the launcher's
    /// output again, perhaps a pipe that then stays open or a terminal that goes away. Use [`run`](Daemon::run) for
    /// output on the caller's streams.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("hello").stdout("hello.log").start(|| println!("a line of hello.log"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stdout(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.stdout = Some(path.as_ref().into());
        self
    }

    /// Sets the file that standard error is appended to. The default is the file of standard output.
    ///
    /// The file is created if it is missing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("divide").stdout("divide.log").stderr("divide.err").start(|| {
    ///     println!("a line of divide.log");
    ///     Err::<(), _>("a line of divide.err")
    /// })?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stderr(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.stderr = Some(path.as_ref().into());
        self
    }

    /// Sets the daemon's current directory. The default is `/`, which keeps no file system busy.
    ///
    /// The body's relative paths are resolved against it. In the foreground the caller's directory stays, so a relative
    /// path that the body gets from the caller works with [`run`](Daemon::run) and fails with [`start`](Daemon::start).
    /// Make such a path absolute first, by [`std::path::absolute`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("worker")
    ///     .working_directory("/var/spool")
    ///     .start(|| std::fs::write("result", "done"))?; // into /var/spool/result
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn working_directory(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.working_directory = Some(path.as_ref().into());
        self
    }

    /// Sets the daemon's [umask(2)](https://man7.org/linux/man-pages/man2/umask.2.html). The default is `0o022`.
    ///
    /// In the foreground, the caller's umask stays unless this key is given.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("keeper")
    ///     .umask(0o077)
    ///     .start(|| std::fs::write("/var/tmp/secret", "for the keeper only"))?; // with mode 0600
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn umask(mut self, mask: u32) -> Self {
        self.settings.umask = Some(mask);
        self
    }

    /// Sets the signal that [`stop`](Daemon::stop) sends. The default is SIGTERM.
    ///
    /// A daemon that has no handler for this signal, such as an earlier version of the program, gets SIGTERM instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon, Signal};
    ///
    /// let daemon = Daemon::new("stop-signal-example").stop_signal(Signal::SIGQUIT);
    /// assert_eq!(*daemon.stop()?.answer(), Answer::NotRunning); // a running daemon would get SIGQUIT
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.settings.stop_signal = signal;
        self
    }

    /// Sets how long the daemon may take to end before [`stop`](Daemon::stop) kills it. The default is ten seconds.
    ///
    /// With zero, it is killed right after the signal. With a time that the clock cannot reach, such as
    /// [`Duration::MAX`], it is never killed.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("stop-timeout-example").stop_timeout(Duration::from_secs(60));
    /// assert_eq!(*daemon.stop()?.answer(), Answer::NotRunning); // a running daemon would have a minute
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stop_timeout = timeout;
        self
    }

    /// Sets whether the daemon closes the descriptors that it inherits from the caller. The default is `true`.
    ///
    /// These are the descriptors above 2 without `FD_CLOEXEC`. Descriptors that Rust opens have the flag and stay open.
    /// Give `false` if the program itself opens a descriptor without the flag, for example by `nix::unistd::dup`, and
    /// the body needs it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// // After `heir start 9>/root/gift` the daemon still has descriptor 9.
    /// Daemon::new("heir").close_fds(false).start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn close_fds(mut self, close: bool) -> Self {
        self.settings.close_fds = close;
        self
    }

    /// Sets the user that the daemon becomes, by name or number. By default the user stays the same.
    ///
    /// The daemon gets the user's supplementary groups, and the user's primary group unless [`group`](Daemon::group) is
    /// given. The pidfile and the logs are opened before the change. Only root can use this key, and a process that has the
    /// user and the group already; its supplementary groups stay as they are.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("server").user("nobody").stdout("/var/log/server.log").start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn user(mut self, user: impl Into<Account>) -> Self {
        self.settings.user = Some(user.into());
        self
    }

    /// Sets the group that the daemon runs as, by name or number.
    ///
    /// Without [`user`](Daemon::user), the user stays the same and the supplementary groups are removed. Only root can
    /// use this key, and a process that has the group already.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("server").user("nobody").group("adm").start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn group(mut self, group: impl Into<Account>) -> Self {
        self.settings.group = Some(group.into());
        self
    }

    /// Sets the directory that becomes the daemon's root, by
    /// [chroot(2)](https://man7.org/linux/man-pages/man2/chroot.2.html).
    ///
    /// The pidfile and the logs are opened before the change of root, by their paths outside the chroot, so
    /// [`reload`](Daemon::reload) cannot reopen the logs. [`working_directory`](Daemon::working_directory) is a path
    /// inside the chroot. Only root can use this key. Combine it with [`user`](Daemon::user), because root can leave a
    /// chroot.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("jail")
    ///     .chroot("/srv/jail")
    ///     .user("nobody")
    ///     .start(|| std::fs::read_dir("/").map(drop))?; // reads /srv/jail
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn chroot(mut self, root: impl AsRef<Path>) -> Self {
        self.settings.chroot = Some(root.as_ref().into());
        self
    }

    /// Makes [`start`](Daemon::start) wait until the body has called [`Context::ready`](crate::Context::ready), but no
    /// longer than this.
    ///
    /// By default the daemon counts as ready when its body is about to be called. If the body returns, fails, panics or
    /// exits before it is ready, or takes too long, `start` fails with that reason and ends the daemon. With a time
    /// that the clock cannot reach, such as [`Duration::MAX`], `start` waits without limit. The body must have a
    /// `Context`.
    ///
    /// With `panic = "abort"` in the program's profile, the message of a panic still reaches `start`, unless the body
    /// replaces the panic hook.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Context, Daemon};
    /// use std::{net::TcpListener, time::Duration};
    ///
    /// let serve = |context: &Context| -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("localhost:8080")?;
    ///     context.ready();
    ///     while !context.is_stopping() {
    ///         drop(listener.accept()?);
    ///     }
    ///     Ok(())
    /// };
    /// Daemon::new("server").wait_ready(Duration::from_secs(30)).start(serve)?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn wait_ready(mut self, timeout: Duration) -> Self {
        self.settings.wait_ready = Some(timeout);
        self
    }

    /// Makes [`start`](Daemon::start) wait this long, and fail if the body has ended by then.
    ///
    /// This is for a body that does not report that it is ready. If the body returns, fails, panics or exits during the
    /// wait, `start` fails with that reason. If the launcher is cancelled during the wait, for example by Ctrl-C, the
    /// daemon ends. With a time that the clock cannot reach, such as [`Duration::MAX`], `start` returns only when the
    /// body has ended. The time includes the duration of a [`setup`](Daemon::setup).
    ///
    /// A body with a `Context` can end the wait by [`ready`](crate::Context::ready).
    ///
    /// Every action fails if [`wait_ready`](Daemon::wait_ready) is given too. In the foreground the key has no effect.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    /// use std::{net::UdpSocket, time::Duration};
    ///
    /// let serve = || -> std::io::Result<()> {
    ///     let socket = UdpSocket::bind("localhost:5300")?; // in use: `start` fails with this error
    ///     loop {
    ///         let (_, peer) = socket.recv_from(&mut [0; 512])?;
    ///         socket.send_to(b"hello", peer)?;
    ///     }
    /// };
    /// Daemon::new("server").wait_alive(Duration::from_secs(1)).start(serve)?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn wait_alive(mut self, time: Duration) -> Self {
        self.settings.wait_alive = Some(time);
        self
    }

    /// Checks something, such as the configuration, before the daemon is started, restarted or run.
    ///
    /// `check` is called in the launcher by [`start`](Daemon::start), [`restart`](Daemon::restart),
    /// [`ensure`](Daemon::ensure) and [`run`](Daemon::run), before they do anything. It returns a `Result` whose error
    /// is `Display`. An error makes the action fail with its text (`{:#}`), and a daemon that is running stays as it
    /// is. A panic of the check reaches the caller of the action before anything has changed. [`Action::Check`], given
    /// to [`dispatch`](Daemon::dispatch) or [`main`](Daemon::main), makes the check and starts nothing. Several checks
    /// are made in the order in which they are given.
    ///
    /// The check runs with the launcher's user, root and working directory, and not with those of the daemon. Its value
    /// is dropped. A thread that it starts must end before it returns, because a start needs a process with one thread.
    ///
    /// Call this after [`every`](Daemon::every) and the methods of a repeating builder, which the returned builder no
    /// longer has.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let port = "80a";
    /// let daemon = Daemon::new("check-example").check(|| port.parse::<u16>());
    /// let error = daemon.run(|| unreachable!()).unwrap_err();
    /// assert_eq!(error.to_string(), "check-example: failed to start: invalid digit found in string");
    ///
    /// let daemon = Daemon::new("check-example").check(|| "80".parse::<u16>());
    /// assert_eq!(*daemon.dispatch("check", || ())?.answer(), Answer::CheckPassed);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn check<R: CheckResult, F: Fn() -> R>(self, check: F) -> Daemon<Checked<M, F>> {
        Daemon { settings: self.settings, mode: Checked::new(self.mode, check) }
    }

    /// Sets the version that [`main`](Daemon::main) prints for `--version`, after the name.
    ///
    /// The default is none, and `--version` is then an unknown option. `#[daemon] fn main` sets the version of its
    /// package.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     // `example --version` prints, for instance, `example 1.2.3`.
    ///     Daemon::new("example").version(env!("CARGO_PKG_VERSION")).main(|| println!("one run"))
    /// }
    /// ```
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = Some(version.into());
        self
    }

    /// Calls the body again after it has ended. The default is [`Never`](Respawn::Never).
    ///
    /// The daemon is then a supervisor, which holds the pidfile's lock, and the body runs in a child of the supervisor.
    /// Each life of the body is a new child, with a copy of what the body has captured, so the body is an `Fn`. The
    /// supervisor drops what the body has captured once, at its own end.
    ///
    /// A stop ends the body, and the supervisor with it. If the body ends before the daemon is ready for the first
    /// time, the start fails. [`respawn_delay`](Daemon::respawn_delay) is the pause between two lives, and
    /// [`respawn_limit`](Daemon::respawn_limit) the number of failures in a row after which the daemon ends. For a
    /// repeating daemon, [`on_error`](Daemon::on_error) decides first about an error or a panic of one run.
    ///
    /// Call this after [`every`](Daemon::every), the keys of a repeating daemon, and [`setup`](Daemon::setup), which
    /// the returned builder no longer has. A setup is called anew in each life.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Context, Daemon, Respawn};
    /// use std::net::UdpSocket;
    ///
    /// Daemon::new("server").respawn(Respawn::OnFailure).start(|context: &Context| -> std::io::Result<()> {
    ///     let socket = UdpSocket::bind("localhost:5300")?;
    ///     context.ready();
    ///     loop {
    ///         let (_, peer) = socket.recv_from(&mut [0; 512])?; // after an error, a new life has a new socket
    ///         socket.send_to(b"hello", peer)?;
    ///     }
    /// })?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn respawn(mut self, respawn: Respawn) -> Daemon<Respawning<M>> {
        self.settings.respawn = respawn;
        Daemon { settings: self.settings, mode: Respawning::new(self.mode, respawn) }
    }

    /// Sets the pause before the first [respawn](Daemon::respawn). The default is one second.
    ///
    /// Each later pause is twice as long, up to the longest pause of sixty times this delay. After a life longer than
    /// the longest pause, the next pause is the first one again. A stop ends a pause at once.
    ///
    /// A zero delay makes every action fail. With a delay that the clock cannot reach, such as [`Duration::MAX`], the
    /// daemon waits for a stop after the body's first life.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Daemon, Respawn};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("worker").respawn(Respawn::Always).respawn_delay(Duration::from_millis(500));
    /// daemon.start(|| println!("after 0.5 s, 1 s, 2 s, and at last every 30 s"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn respawn_delay(mut self, delay: Duration) -> Self {
        self.settings.respawn_delay = delay;
        self
    }

    /// Sets how many failures in a row end the daemon, despite [`respawn`](Daemon::respawn). The default is ten.
    ///
    /// The daemon ends with the exit code of the last failure. With 0, it never gives up. A success ends the row. After
    /// a life longer than the longest pause ([`respawn_delay`](Daemon::respawn_delay)), the count begins anew.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Daemon, Respawn};
    ///
    /// let daemon = Daemon::new("worker").respawn(Respawn::OnFailure).respawn_limit(3);
    /// daemon.start(|| Err::<(), _>("the third of these lines is the last"))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn respawn_limit(mut self, failures: u32) -> Self {
        self.settings.respawn_limit = failures;
        self
    }

    /// Sets what happens at the body's end to the processes that the body has started and left running. By default they
    /// are [left](Children::Leave) alone.
    ///
    /// With [`Children::End`], the daemon is a supervisor, and the body runs in a child of the supervisor, as with
    /// [`respawn`](Daemon::respawn). The supervisor is a subreaper
    /// ([PR_SET_CHILD_SUBREAPER(2const)](https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html)), so
    /// no descendant of the body leaves its tree. At the end of each life, the descendants get the
    /// [`stop_signal`](Daemon::stop_signal), and SIGKILL when [`stop_timeout`](Daemon::stop_timeout) is over.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::{Children, Daemon};
    /// use std::process::Command;
    ///
    /// let daemon = Daemon::new("server").children(Children::End);
    /// daemon.start(|| Command::new("server").arg("--foreground").status().map(drop))?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn children(mut self, children: Children) -> Self {
        self.settings.children = children;
        self
    }
}

/// The action of a daemon that repeats its body.
impl<M: Repeats> Daemon<M> {
    /// Makes the daemon do one run now, and returns when that run has ended.
    ///
    /// If the daemon is running, it does the run between its other runs: a run in progress ends first. The run counts
    /// towards [`times`](Daemon::times), is tried again as [`retry`](Daemon::retry) says, and changes no due time. If
    /// it fails, [`on_error`](Daemon::on_error) decides what the daemon does. Several calls get a run each. Only root
    /// and the daemon's user can call.
    ///
    /// If no daemon is running, this does the run in the foreground, as [`run`](Daemon::run) does, but without a
    /// [`respawn`](Daemon::respawn).
    ///
    /// The daemon is woken by SIGIO, and the answer comes over its control channel. A body must retry the calls that the
    /// signal interrupts, as for [`reload`](Daemon::reload).
    ///
    /// # Errors
    ///
    /// Fails if the daemon ends before the run does, if it cannot be reached, for example because its body is about to
    /// be respawned, if this process may not signal it or is the daemon itself, or as [`run`](Daemon::run) does. A run
    /// that fails is not an error of this method: the outcome has its exit code.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("once-example").every(Duration::from_secs(3600));
    /// let outcome = daemon.once(|| println!("a run in the foreground"))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn once<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.once_showing(Progress::silent(), body)
    }
}

/// The actions. Only [`main`](Daemon::main), and the action `logs` of [`dispatch`](Daemon::dispatch), print; the result
/// of the others has the message and the exit code.
impl<M> Daemon<M> {
    /// Carries out `action`, for a program with a command line.
    ///
    /// In the background daemon, this does not return: the process ends when the body does. The action `logs` writes the
    /// lines of the log to standard output. Every other message is in the result, which [`report`] prints.
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
    /// `--version` the [`version`](Daemon::version). A missing or unknown action, or a wrong option, prints the usage text
    /// too, with exit code 2.
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

    /// Starts the daemon in the background and returns once it is ready.
    ///
    /// The daemon is ready when it is set up, holds its pidfile, and is about to call its body. With
    /// [`wait_ready`](Daemon::wait_ready), it is ready when the body has reported so; with
    /// [`wait_alive`](Daemon::wait_alive), when the body has lived for that long.
    ///
    /// What the body has captured is dropped by the daemon, or by this process if the body was never called. A value
    /// that the body only borrows is dropped here, by its owner. A POSIX record lock (`fcntl`) of this process does not
    /// pass to the daemon, and a random generator is copied together with its state.
    ///
    /// Signals that the caller ignores get their default action. Handlers that the program has set are kept, and are
    /// called before those of the daemon. Their signals then no longer end a body without a `Context`.
    ///
    /// # Errors
    ///
    /// Fails, and leaves nothing behind, if the daemon is running already
    /// ([`is_already_running`](Error::is_already_running)), if the [`check`](Daemon::check) fails, if this process has
    /// more than one thread or is process 1 of a container, or if a step fails; the error says which. Where the system
    /// does not count threads (on systems other than Linux, or without `/proc`), the caller must make sure that there
    /// is only one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").start(|| std::thread::park())?;
    /// println!("{outcome}"); // example: started (pid 42)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn start<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.start_showing(Progress::silent(), body)
    }

    fn start_showing<K, B: Body<M, K, Output: BodyResult>>(&self, progress: Progress, body: B) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service() {
            return self.start_service::<K, B>(&service, Action::Start);
        }
        self.answer_showing(progress, Action::Start, |plan, pidfile| {
            let startup = Startup::prepare::<K, B>(plan, pidfile, &self.mode)?;
            let pid = startup.launch(preconditions::check()?, &mut Some(body))?;
            Ok(Answer::Started { pid: number(pid) })
        })
    }

    /// Stops the daemon and returns once it is gone.
    ///
    /// The daemon gets [`stop_signal`](Daemon::stop_signal), and SIGKILL if it has not exited after
    /// [`stop_timeout`](Daemon::stop_timeout). Only the process that holds the pidfile's lock is ever signalled,
    /// whatever the file contains. The signal is sent by
    /// [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html), or by
    /// [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html) where the system has no pidfds. Stopping a daemon
    /// that is not running succeeds.
    ///
    /// # Errors
    ///
    /// Fails if this process may not signal the daemon, if the daemon's PID is unknown, if another program holds the
    /// default pidfile, or if this process is the daemon.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// match Daemon::new("stop-example").stop()?.answer() {
    ///     Answer::Stopped { pid } => println!("{pid} has ended"),
    ///     Answer::Killed { pid, after, .. } => println!("{pid} did not exit within {after:?}"),
    ///     answer => assert_eq!(*answer, Answer::NotRunning),
    /// }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop(&self) -> Result {
        self.stop_showing(Progress::silent())
    }

    fn stop_showing(&self, progress: Progress) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service_in_charge() {
            return self.stop_service(&service);
        }
        self.answer_showing(progress, Action::Stop, |plan, pidfile| stop_at(pidfile, plan))
    }

    /// Stops the daemon if it is running, then starts it.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Daemon::stop) and [`start`](Daemon::start) do. If the [`check`](Daemon::check) fails, or if
    /// this process cannot start a daemon, for example because it has several threads, this fails before it stops
    /// anything.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").restart(|| std::thread::park())?;
    /// println!("{outcome}"); // example: restarted (pid 43)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn restart<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.restart_showing(Progress::silent(), body)
    }

    fn restart_showing<K, B: Body<M, K, Output: BodyResult>>(&self, progress: Progress, body: B) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service() {
            return self.restart_service::<K, B>(&service);
        }
        self.answer_showing(progress, Action::Restart, |plan, pidfile| {
            let startup = Startup::prepare::<K, B>(plan, pidfile, &self.mode)?;
            let _ = preconditions::check()?;
            let stopped =
                stop::stop(pidfile, plan).map_err(|error| error.during(&plan.settings.name, Action::Stop))?;
            let pid = number(startup.launch(preconditions::check()?, &mut Some(body))?);
            let was_running = stopped != Stopped::NotRunning;
            Ok(if was_running { Answer::Restarted { pid } } else { Answer::Started { pid } })
        })
    }

    /// Starts the daemon unless it is running, and returns once it is ready.
    ///
    /// This is for scripts, for cron, and for programs that need their daemon. It succeeds whether or not the daemon is
    /// running, even if many processes call it at once. If the daemon is running, this waits until it is ready, but no
    /// longer than [`wait_ready`](Daemon::wait_ready); without that key, until it is ready or gone. With
    /// [`wait_alive`](Daemon::wait_alive), a daemon is ready when it has run for that long. If the daemon ends
    /// meanwhile, this starts a new one, as [`start`](Daemon::start) does.
    ///
    /// If the daemon is running, this works in a process that has several threads. An earlier version of the program,
    /// whose daemon cannot report that it is not ready, counts as ready.
    ///
    /// # Errors
    ///
    /// Fails if the daemon is running and not ready in time, as [`start`](Daemon::start) does if it must start one, and
    /// if the daemon's PID is unknown or another program holds the default pidfile.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("ensure-example");
    /// let mut answer = None;
    /// daemon.run(|| answer = daemon.ensure(|| ()).ok())?;
    /// let answer = answer.expect("the daemon is running");
    /// assert_eq!(answer.to_string(), format!("ensure-example: already running (pid {})", std::process::id()));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn ensure<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.ensure_showing(Progress::silent(), body)
    }

    fn ensure_showing<K, B: Body<M, K, Output: BodyResult>>(&self, progress: Progress, body: B) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service() {
            return self.start_service::<K, B>(&service, Action::Ensure);
        }
        self.answer_showing(progress, Action::Ensure, |plan, pidfile| {
            let identity = startup::check::<M, K, B>(plan, &self.mode)?;
            let patience = Patience::new(pidfile, plan);
            let mut body = Some(body);
            loop {
                if let Some(pid) = patience.await_ready()? {
                    return Ok(Answer::AlreadyRunning { pid: number(pid) });
                }
                let startup = Startup::of_checked(plan, pidfile, &self.mode, identity.clone())?;
                match startup.launch(preconditions::check()?, &mut body) {
                    Ok(pid) => return Ok(Answer::Started { pid: number(pid) }),
                    // Another process was faster, so this one waits for that daemon.
                    Err(error) if error.is_already_running() && body.is_some() => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Reports whether the daemon is running, which the pidfile's lock decides
    /// ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)), or why it has failed.
    ///
    /// This changes nothing. If an ordinary user's daemon is not running under the user's default
    /// [`pidfile`](Daemon::pidfile), but root's daemon is running under root's default, this reports root's daemon, and
    /// the message names its pidfile.
    ///
    /// # Errors
    ///
    /// Fails if the answer is unknown ([`is_unknown`](Error::is_unknown)): the pidfile cannot be examined or is not a
    /// regular file, or its holder has no PID in this process's namespace. Also fails if permission is denied, or if
    /// another program holds the default pidfile.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("status-example");
    /// let mut inside = None;
    /// daemon.run(|| inside = daemon.status().ok())?;
    /// assert_eq!(inside.and_then(|outcome| outcome.pid()), Some(std::process::id()));
    /// assert_eq!(*daemon.status()?.answer(), Answer::NotRunning);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn status(&self) -> Result {
        let (mut sight, mut log) = (None, None);
        let outcome = self.answer(Action::Status, |plan, pidfile| {
            let sight = sight.insert(Sight::take(pidfile, plan.settings.calls != BodyCalls::Once)?);
            log = sight.running().and_then(|(pid, is_verified)| file::of_process(pid, is_verified, plan));
            Ok(sight.answer(pidfile))
        })?;
        let Some(sight) = sight else { return Ok(outcome) };
        #[cfg(feature = "service")]
        let running = sight.running();
        #[cfg(feature = "cron")]
        let outcome = match sight.running() {
            Some(_) => outcome.with_next_run(self.settings.next_run(sight.next_run())),
            None => outcome,
        };
        let outcome = sight.add_to(outcome).with_log(log);
        #[cfg(feature = "service")]
        let outcome = match running {
            Some((pid, _)) => installed_service::add_unit(outcome, &self.settings, pid),
            None => outcome,
        };
        Ok(outcome)
    }

    /// Lists the next times at which a run is due, if the clock is not set meanwhile, and without
    /// [`jitter`](Daemon::jitter).
    ///
    /// With `cron`, the daemon need not be running. With [`every`](Daemon::every), the times follow from its start, so the
    /// daemon is asked for the first of them. While a run is in progress, this is when the next one is due if that run
    /// ends now.
    ///
    /// # Errors
    ///
    /// Fails if the daemon does not repeat its body, if the expression is wrong or the zone unknown, or with `every` if
    /// the daemon is not running or is another user's.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let outcome = Daemon::new("next-runs-example").cron("30 3 * * *").timezone("UTC").next_runs(2)?;
    /// let message = outcome.to_string(); // next-runs-example: 2026-11-28 03:30:00 UTC (UTC+00:00), in 3h 20m
    /// assert_eq!(message.matches(" 03:30:00 UTC (UTC+00:00), in ").count(), 2);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg(feature = "cron")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cron")))]
    pub fn next_runs(&self, count: usize) -> Result {
        self.answer(Action::Next, |plan, pidfile| {
            let Some(timing) = &plan.settings.timing else {
                return Err(Error::usage(format_args!("`next` is for a daemon that repeats its body")));
            };
            let asks = timing.counts_from_start();
            let told = if asks { Some(Sight::ask_for_next_run(pidfile)?) } else { None };
            Ok(Answer::NextRuns { runs: timing.next_runs(count, told)? })
        })
    }

    /// Reports on every daemon of this program that is running, whatever its name and its pidfile.
    ///
    /// A daemon is of this program if its executable is the same file, or was at the same path before an upgrade
    /// replaced it. The answer is [`Answer::All`], with one outcome for each daemon. The message has a line for each,
    /// with the path of the pidfile. This reports what the user may see: an ordinary user's own daemons, all daemons
    /// to root.
    ///
    /// A daemon whose pidfile has been removed is not found, as with [`status`](Daemon::status).
    ///
    /// # Errors
    ///
    /// Fails where there is no `/proc` that lists locks, as on systems other than Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("status-all-example");
    /// let mut inside = None;
    /// daemon.run(|| inside = daemon.status_all().ok())?;
    /// if let Some(Answer::All { daemons }) = inside.as_ref().map(|outcome| outcome.answer()) {
    ///     assert!(daemons.iter().any(|daemon| daemon.pid() == Some(std::process::id())));
    /// }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn status_all(&self) -> Result {
        let name = &self.settings.name;
        let repeats = self.settings.calls != BodyCalls::Once;
        self.answer(Action::Status, |_, _| {
            let outcome = |(pidfile, presence): (Pidfile, Presence)| {
                let sight = Sight::of(presence, &pidfile, repeats);
                let outcome = Outcome::new(name, Action::Status, sight.answer(&pidfile), None);
                sight.add_to_one_of_many(outcome, &pidfile)
            };
            Ok(Answer::All { daemons: siblings::find()?.into_iter().map(outcome).collect() })
        })
    }

    /// Stops every daemon of this program that is running, one after the other, as [`stop`](Daemon::stop) does.
    ///
    /// Each gets this builder's [`stop_signal`](Daemon::stop_signal) and [`stop_timeout`](Daemon::stop_timeout). The
    /// daemons are those of [`status_all`](Daemon::status_all). One that cannot be stopped does not keep the others
    /// from it: its answer is [`Answer::NotStopped`], and the exit code is 1. The exit code is 0 if there is none.
    ///
    /// # Errors
    ///
    /// Fails as [`status_all`](Daemon::status_all) does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("worker").stop_all()?;
    /// println!("{outcome}"); // worker: stopped (pid 42; /run/worker-7.pid)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop_all(&self) -> Result {
        self.stop_all_showing(Progress::silent())
    }

    fn stop_all_showing(&self, progress: Progress) -> Result {
        let name = &self.settings.name;
        self.answer_showing(progress, Action::Stop, |plan, _| {
            let mut daemons = Vec::new();
            for (pidfile, presence) in siblings::find()? {
                let Presence::Running { pid, .. } = presence else { continue };
                let answer = match stop_at(&pidfile, plan) {
                    // It has ended meanwhile.
                    Ok(Answer::NotRunning) => continue,
                    Ok(answer) => answer,
                    Err(error) => {
                        let reason = error.during(name, Action::Stop).to_string();
                        Answer::NotStopped { pid: number(pid), reason }
                    }
                };
                let outcome = Outcome::new(name, Action::Stop, answer, None);
                #[cfg(feature = "json")]
                let outcome = outcome.with_snapshot(Snapshot::of_sibling(&pidfile));
                daemons.push(outcome.with_pidfile(Some(pidfile.path().as_path().into())));
            }
            Ok(Answer::All { daemons })
        })
    }

    /// Sends SIGHUP to the daemon, which then reopens its log files.
    ///
    /// If the body takes the reload, this waits until it has reloaded, but no longer than
    /// [`stop_timeout`](Daemon::stop_timeout). A body that waits for an event takes it at once. A body that has asked for
    /// reloads before, and does something else now, has two seconds to take it; then this returns. If the body has never
    /// asked, or if this is called in the daemon itself, it returns once the signal is sent.
    ///
    /// As with [`stop`](Daemon::stop), only the holder of the pidfile's lock is signalled, by
    /// [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html) or
    /// [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html). A body with a `Context` receives the request from
    /// [`next_event`](crate::Context::next_event) or [`reload_requested`](crate::Context::reload_requested). A body
    /// must retry the calls that the signal interrupts ([`ErrorKind::Interrupted`](io::ErrorKind::Interrupted),
    /// [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html)).
    ///
    /// # Errors
    ///
    /// Fails if the daemon is not running ([`is_not_running`](Error::is_not_running)), if it ignores SIGHUP, if this
    /// process may not signal it, if the body reports an error by [`reloaded`](crate::Context::reloaded), or if the body
    /// ends or takes too long.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    ///
    /// let daemon = Daemon::new("reload-example");
    /// let mut is_requested = false;
    /// daemon.run(|context: &Context| {
    ///     daemon.reload()?;
    ///     is_requested = context.reload_requested();
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert!(is_requested);
    /// assert!(daemon.reload().unwrap_err().is_not_running());
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn reload(&self) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service_in_charge() {
            return self.reload_service(&service);
        }
        self.answer(Action::Reload, |plan, pidfile| {
            Ok(Answer::Reloaded { pid: number(stop::reload(pidfile, plan)?) })
        })
    }

    /// Writes the last lines of the daemon's log.
    ///
    /// The log is the file of [`stdout`](Daemon::stdout), or that of [`stderr`](Daemon::stderr) if only standard error
    /// goes to a file. Its bytes are written as they are. The daemon need not be running. The file is read from its
    /// end, so its size does not matter. If `to` is a pipe whose reader has gone, this succeeds.
    ///
    /// With the feature `service`, the log of an installed service without the key `stdout` is in systemd's journal. It
    /// is read by [journalctl(1)](https://man7.org/linux/man-pages/man1/journalctl.1.html), which must be in `PATH`.
    ///
    /// # Errors
    ///
    /// Fails if the daemon has no log, if the log is missing, is not a regular file, or cannot be read, and if `to`
    /// fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let log = std::env::current_dir().expect("a current directory").join("logs-example.log");
    /// std::fs::write(&log, "one\ntwo\nthree\n").expect("a log");
    /// let mut text = Vec::new();
    /// Daemon::new("logs-example").stdout(&log).logs(2, &mut text)?;
    /// assert_eq!(text, b"two\nthree\n");
    /// # std::fs::remove_file(log).expect("it is there");
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn logs(&self, lines: usize, mut to: impl Write) -> Result {
        self.answer(Action::Logs, |plan, _| {
            #[cfg(feature = "service")]
            if let Some(journal) = Journal::of(plan.settings) {
                journal.show(lines, &mut to)?;
                return Ok(Answer::JournalShown { unit: journal.unit });
            }
            let log = file::of(plan).ok_or_else(file::none)?;
            follow::show(log, lines, &mut to)?;
            Ok(Answer::LogShown { log: log.as_path().into() })
        })
    }

    /// Writes the last lines of the daemon's log, as [`logs`](Daemon::logs) does, then each line that is added to it,
    /// until the reader of `to` has gone.
    ///
    /// The log is followed through its rotation, whether it is renamed or truncated. If it is missing, this waits for
    /// it. This uses [inotify(7)](https://man7.org/linux/man-pages/man7/inotify.7.html). On systems other than Linux,
    /// and where the user has too many inotify instances, it looks once a second.
    ///
    /// A signal ends the process as usual; this installs no handlers.
    ///
    /// # Errors
    ///
    /// Fails as [`logs`](Daemon::logs) does, and if `to` is the log itself.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("example").stdout("/var/log/example.log").follow_logs(10, std::io::stdout())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn follow_logs(&self, lines: usize, mut to: impl Write + AsFd) -> Result {
        self.answer(Action::Logs, |plan, _| {
            #[cfg(feature = "service")]
            if let Some(journal) = Journal::of(plan.settings) {
                journal.follow(lines, &mut to)?;
                return Ok(Answer::JournalShown { unit: journal.unit });
            }
            let log = file::of(plan).ok_or_else(file::none)?;
            follow::follow(log, lines, &mut to)?;
            Ok(Answer::LogShown { log: log.as_path().into() })
        })
    }

    /// Writes the log to standard output, unless JSON has its lines, and says on standard error which file is not shown.
    fn print_logs(&self, invocation: &Invocation) -> Result {
        const LINES: usize = 50;
        let plan = self.settings.plan().map_err(|error| error.during(&self.settings.name, Action::Logs))?;
        let errors = file::of_errors(&plan);
        #[cfg(feature = "service")]
        let errors = if Journal::of(plan.settings).is_some() { file::of(&plan) } else { errors };
        if let Some(errors) = errors {
            let note =
                format!("{}: standard error goes to {errors}, which is not shown\n", self.settings.name);
            let _ = io::stderr().write_all(note.as_bytes());
        }
        let (lines, stdout) = (invocation.lines.unwrap_or(LINES), io::stdout());
        #[cfg(feature = "json")]
        if invocation.format == Format::Json {
            let mut log = Vec::new();
            return Ok(self.logs(lines, &mut log)?.with_lines(&log));
        }
        if invocation.follow { self.follow_logs(lines, stdout) } else { self.logs(lines, stdout.lock()) }
    }

    /// Runs the daemon in the foreground, for a service manager, a container or a debugger, and returns when the body
    /// has ended.
    ///
    /// Only a supervisor forks, for which this process must have one thread; see [`respawn`](Daemon::respawn). The
    /// streams and the directory stay as they are, except that a [`chroot`](Daemon::chroot) is entered. The pidfile,
    /// its lock, the signals, the user and the group work as in the background, but a signal that the caller ignores
    /// stays ignored, except SIGTERM and the [`stop_signal`](Daemon::stop_signal). When this returns, the process has
    /// its former handlers again, and keeps the new user, group, root directory and umask.
    ///
    /// # Errors
    ///
    /// Fails if the daemon is running already ([`is_already_running`](Error::is_already_running)), if the
    /// [`check`](Daemon::check) fails, if the pidfile cannot be locked or the handlers cannot be installed, if the
    /// process cannot switch to the [`user`](Daemon::user) or [`group`](Daemon::group) or enter the
    /// [`chroot`](Daemon::chroot), if the [`setup`](Daemon::setup) fails, or if [`wait_ready`](Daemon::wait_ready) is
    /// set and the body has no `Context`. A body that fails is not an error of this method: the outcome has its exit
    /// code.
    ///
    /// With the feature `tokio`, this also fails if it is called inside a tokio runtime and the body builds another
    /// one, which tokio refuses. Remove `#[tokio::main]` from `main`, and keep it on the daemon's function.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::process::ExitCode;
    ///
    /// let outcome = Daemon::new("run-example").run(|| ExitCode::from(3))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 3 });
    /// assert_eq!(Daemon::new("run-example").status()?.to_string(), "run-example: failed 0s ago (exit 3)");
    /// # Daemon::new("run-example").stop()?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn run<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.answer_by(&self.settings.in_foreground(), Progress::silent(), Action::Run, |plan, pidfile| {
            let startup = Startup::prepare::<K, B>(plan, pidfile, &self.mode)?;
            Ok(Answer::Finished { code: startup.run(body)? })
        })
    }

    fn once_showing<K, B: Body<M, K, Output: BodyResult>>(&self, progress: Progress, body: B) -> Result {
        let (name, action) = (&self.settings.name, Action::Once);
        if !B::REPEATS {
            let text = format_args!("the action `once` is for a daemon that repeats its body; use `run`");
            return Err(Error::usage(text).during(name, action));
        }
        self.answer_showing(progress, action, |plan, pidfile| match stop::once(pidfile, plan)? {
            stop::Once::Ran(pid, Ran { code, error }) => {
                let message = error.map(Cow::into_owned);
                Ok(Answer::Ran { pid: number(pid), code, message })
            }
            stop::Once::NotRunning => {
                let respawn = Respawn::Never;
                let calls = BodyCalls::SingleRun;
                let settings = Settings { respawn, calls, ..self.settings.clone() };
                let plan = settings.plan()?;
                let startup = Startup::prepare::<K, B>(&plan, pidfile, &self.mode)?;
                Ok(Answer::Finished { code: startup.run(body)? })
            }
        })
    }

    /// Checks the keys and makes the check. Unlike a start, this needs no privileges.
    fn check_alone<K, B: Body<M, K>>(&self) -> Result {
        self.answer(Action::Check, |plan, _| {
            if !B::WITH_CHECK {
                return Err(Error::usage(format_args!(
                    "there is nothing to check; the action `check` needs the key `check`"
                )));
            }
            startup::check::<M, K, B>(plan, &self.mode).map(|_| Answer::CheckPassed)
        })
    }

    /// Checks the keys, carries out the action, and adds the daemon's name to the answer or the error.
    fn answer(&self, action: Action, act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>) -> Result {
        self.answer_by(&self.settings, Progress::silent(), action, act)
    }

    /// Does the same, and shows what the action waits for.
    fn answer_showing(
        &self,
        progress: Progress,
        action: Action,
        act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>,
    ) -> Result {
        self.answer_by(&self.settings, progress, action, act)
    }

    /// Does the same by other settings of the daemon.
    fn answer_by(
        &self,
        settings: &Settings,
        progress: Progress,
        action: Action,
        act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>,
    ) -> Result {
        let name = &self.settings.name;
        let outcome = settings.plan().and_then(|plan| {
            let plan = Plan { progress, ..plan };
            let pidfile = Pidfile::new(&plan);
            if action != Action::Run {
                streams::append_to_logs(&plan);
            }
            let answer = act(&plan, &pidfile)?;
            let outcome = Outcome::new(name, action, answer, pidfile.warning());
            #[cfg(feature = "json")]
            let outcome = outcome.with_snapshot(Snapshot::of(&plan));
            Ok(outcome)
        });
        outcome.map_err(|error| error.during(name, action))
    }
}

/// Stops the daemon that holds a pidfile.
fn stop_at(pidfile: &Pidfile, plan: &Plan<'_>) -> Result<Answer> {
    let after = plan.settings.stop_timeout;
    Ok(match stop::stop(pidfile, plan)? {
        Stopped::NotRunning => Answer::NotRunning,
        Stopped::Ended(pid) => Answer::Stopped { pid: number(pid) },
        Stopped::Killed(pid, signal) => Answer::Killed { pid: number(pid), after, signal },
    })
}
