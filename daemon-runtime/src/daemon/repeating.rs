//! The keys of a daemon that repeats its body.

use std::path::Path;
use std::time::Duration;

use super::Daemon;
use crate::life::pace::Missed;
use crate::life::repeat::{OnError, Repeating};
use crate::life::setup::{SetupResult, WithSetup};
#[cfg(feature = "cron")]
use crate::timing::Cron;
use crate::timing::{Clock, Timing};

/// The keys of a daemon with [`every`](Daemon::every).
impl Daemon<Repeating> {
    /// Sets what happens to the runs that are missed because one takes longer than the period.
    ///
    /// By default the missed runs are [skipped](Missed::Skip). The same applies to runs that were due while the machine
    /// or the daemon was suspended: one run is late, and the others are skipped. With [`Missed::Delay`], too, one run
    /// is late. With [`Missed::Burst`], the daemon makes up for each of them.
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
    /// With [`catch_up`](Daemon::catch_up) and a last success, only a run that makes up for a missed one waits for this
    /// pause.
    ///
    /// The later runs are due whole periods after the first one. The pause is counted by the [`clock`](Daemon::clock)
    /// of the period.
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
    /// The default is the system's zone: that of the variable `TZ`, otherwise that of `/etc/localtime`. The zone is
    /// read when the daemon is started, before [`chroot`](Daemon::chroot). An unknown zone makes every start fail.
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
    /// Machines that are started together then do not all run at the same moment. Each run is late by a part of its
    /// own, which does not move the due time of the next run. No run is early, and no two runs overlap.
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

    /// Sets what happens after a run that fails: by an error, a panic, an exit code other than 0, or its
    /// [`run_timeout`](Daemon::run_timeout).
    ///
    /// By default, a failure [ends](OnError::Stop) the daemon.
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

    /// Limits the time of each run, and with [`retry`](Daemon::retry) that of each attempt.
    ///
    /// When the time is over, [`is_stopping`](crate::Context::is_stopping), [`wait`](crate::Context::wait) and the
    /// other methods of the run's `Context` report a stop. A run that then returns has failed, whatever it returns:
    /// [`retry`](Daemon::retry) and [`on_error`](Daemon::on_error) decide about what follows, and the next run's
    /// `Context` reports no stop. If the daemon is stopped meanwhile, what the run returns is its result.
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
    /// [`every`](Daemon::every), the due times are counted from the time at which the last successful run was due, or
    /// with [`Missed::Delay`] from its end. Without a last success, the first run begins as without this key.
    ///
    /// A run succeeds if its exit code is 0. A run that fails, or that the end of the process interrupts, is made up
    /// for. The daemon writes a line to the log when it makes up for a run. A state file that is damaged, or dated in
    /// the future, is reported and ignored.
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
    /// If root starts the daemon, the default is `/var/lib/NAME/state`. The launcher makes the directory if it is
    /// missing, for the daemon's [`user`](Daemon::user). If another user starts it, the default is
    /// `$XDG_STATE_HOME/NAME.state` or `$HOME/.local/state/NAME.state`, by the rule of the default
    /// [`pidfile`](Daemon::pidfile). The directory of a given file must exist, and the daemon's user must be able to
    /// write to it. With the feature `service`, the default is `state` in `$STATE_DIRECTORY` if a unit of systemd sets
    /// that. With a [`chroot`](Daemon::chroot), the path is outside of it.
    ///
    /// The file is replaced after each success, by a rename, when the new content is on the disk. It must not be the
    /// pidfile, a log, or a device. Without [`catch_up`](Daemon::catch_up), every action fails.
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
