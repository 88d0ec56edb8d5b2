//! The actions of a daemon.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::Daemon;
use crate::command::action::Action;
use crate::command::error::Error;
#[cfg(feature = "json")]
use crate::command::format::Format;
use crate::command::invocation::Invocation;
use crate::command::outcome::{Answer, Outcome, Result};
use crate::command::report::Ran;
use crate::command::respawn::Respawn;
#[cfg(feature = "json")]
use crate::command::snapshot::Snapshot;
use crate::life::body::{Body, BodyResult};
use crate::life::repeats::Repeats;
use crate::life::streams;
use crate::lock::look::Presence;
use crate::lock::pidfile::Pidfile;
use crate::lock::ready::ReadinessWait;
use crate::lock::siblings;
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

/// The action of a daemon that repeats its body.
impl<M: Repeats> Daemon<M> {
    /// Makes the daemon do one run now, and returns when that run has ended.
    ///
    /// If the daemon is running, it does the run between its other runs: a run in progress ends first. The run counts
    /// towards [`times`](Daemon::times), is tried again as [`retry`](Daemon::retry) says, and changes no due time. If
    /// it fails, [`on_error`](Daemon::on_error) decides what the daemon does. Each of several calls gets a run of its
    /// own. Only root and the daemon's own user can call.
    ///
    /// If no daemon is running, this does the run in the foreground, as [`run`](Daemon::run) does, but without a
    /// [`respawn`](Daemon::respawn).
    ///
    /// The daemon is woken by SIGURG, and the answer comes over its control channel. A body must retry the calls that
    /// the signal interrupts, as for [`reload`](Daemon::reload).
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
    ///
    /// # #[cfg(feature = "cron")] {
    /// let daemon = Daemon::new("once-example").cron("@daily").setup(|| 41);
    /// daemon.once(|number: &mut u8| {
    ///     *number += 1;
    ///     assert_eq!(*number, 42);
    /// })?;
    /// # }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn once<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result {
        self.once_showing(Progress::silent(), body)
    }
}
use crate::sys::process::number;

/// The actions. None prints; the result has the message and the exit code.
impl<M> Daemon<M> {
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

    pub(super) fn start_showing<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        progress: Progress,
        body: B,
    ) -> Result {
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

    pub(super) fn stop_showing(&self, progress: Progress) -> Result {
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

    pub(super) fn restart_showing<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        progress: Progress,
        body: B,
    ) -> Result {
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

    pub(super) fn ensure_showing<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        progress: Progress,
        body: B,
    ) -> Result {
        #[cfg(feature = "service")]
        if let Some(service) = self.service() {
            return self.start_service::<K, B>(&service, Action::Ensure);
        }
        self.answer_showing(progress, Action::Ensure, |plan, pidfile| {
            let identity = startup::check::<M, K, B>(plan, &self.mode)?;
            let wait = ReadinessWait::new(pidfile, plan);
            let mut body = Some(body);
            loop {
                if let Some(pid) = wait.await_ready()? {
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
    /// With `cron`, the daemon need not be running. With [`every`](Daemon::every), the times follow from its start, so
    /// the daemon is asked for the first of them. While a run is in progress, the first time in the list is that of the
    /// run that follows if this one ends now. A run that is due but still waits, for its jitter or for the end of a run
    /// of [`once`](Daemon::once), is still the first. The list leaves out a run that makes up for a missed one, and
    /// does not end with [`times`](Daemon::times).
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
            let reported = if asks { Some(Sight::ask_for_next_run(pidfile)?) } else { None };
            Ok(Answer::NextRuns { runs: timing.next_runs(count, reported)? })
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
    /// daemons are those of [`status_all`](Daemon::status_all). If one cannot be stopped, the others are stopped
    /// nevertheless; its answer is [`Answer::NotStopped`], and the exit code is 1. If no daemon is running, the exit
    /// code is 0.
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

    pub(super) fn stop_all_showing(&self, progress: Progress) -> Result {
        let name = &self.settings.name;
        self.answer_showing(progress, Action::Stop, |plan, _| {
            let mut daemons = Vec::new();
            for (pidfile, presence) in siblings::find()? {
                let Presence::Running { pid, .. } = presence else { continue };
                let answer = match stop_at(&pidfile, plan) {
                    // The daemon has ended since it was found.
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
    /// [`stop_timeout`](Daemon::stop_timeout). A body that waits for an event takes it at once. A body that has asked
    /// for reloads before, and does something else now, has two seconds to take it; then this returns. If the body has
    /// never asked, or if this is called in the daemon itself, it returns once the signal is sent.
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
    /// Fails if the daemon is not running ([`is_not_running`](Error::is_not_running)), if it ignores SIGHUP or would die
    /// of it, if this process may not signal it, if the body reports an error by
    /// [`reloaded`](crate::Context::reloaded), or if the body ends or takes too long.
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

    /// Writes the log to standard output, or its lines into the JSON. Names on standard error a log file that is not
    /// shown.
    pub(super) fn print_logs(&self, invocation: &Invocation) -> Result {
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
            Ok(Answer::Finished { code: startup.run(&mut Some(body))? })
        })
    }

    pub(super) fn once_showing<K, B: Body<M, K, Output: BodyResult>>(
        &self,
        progress: Progress,
        body: B,
    ) -> Result {
        let (name, action) = (&self.settings.name, Action::Once);
        if !B::REPEATS {
            let text = format_args!("the action `once` is for a daemon that repeats its body; use `run`");
            return Err(Error::usage(text).during(name, action));
        }
        self.answer_showing(progress, action, |plan, pidfile| {
            let mut body = Some(body);
            loop {
                if let stop::RunRequest::Ran(pid, Ran { code, error }) = stop::once(pidfile, plan)? {
                    let message = error.map(Cow::into_owned);
                    return Ok(Answer::Ran { pid: number(pid), code, message });
                }
                let respawn = Respawn::Never;
                let calls = BodyCalls::SingleRun;
                let settings = Settings { respawn, calls, ..self.settings.clone() };
                let plan = settings.plan()?;
                let startup = Startup::prepare::<K, B>(&plan, pidfile, &self.mode)?;
                match startup.run(&mut body) {
                    Ok(code) => return Ok(Answer::Finished { code }),
                    // A daemon was started meanwhile, so that daemon is asked to do the run.
                    Err(error) if error.is_already_running() && body.is_some() => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Checks the keys and runs the user's check. Unlike a start, this needs no privileges.
    pub(super) fn check_alone<K, B: Body<M, K>>(&self) -> Result {
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
    pub(super) fn answer(
        &self,
        action: Action,
        act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>,
    ) -> Result {
        self.answer_by(&self.settings, Progress::silent(), action, act)
    }

    /// Does what [`answer`](Self::answer) does, and shows what the action waits for.
    pub(super) fn answer_showing(
        &self,
        progress: Progress,
        action: Action,
        act: impl FnOnce(&Plan<'_>, &Pidfile) -> Result<Answer>,
    ) -> Result {
        self.answer_by(&self.settings, progress, action, act)
    }

    /// Does what [`answer_showing`](Self::answer_showing) does, with other settings of the daemon.
    pub(super) fn answer_by(
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
