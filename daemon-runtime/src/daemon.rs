//! The builder, and under it the whole story: what each action does, step by step.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::action::{Action, IntoAction};
use crate::body::{Body, BodyResult, Ending, Once};
use crate::error::{Error, Result};
use crate::identity::{self, Account, LookUp, TakeOn};
use crate::launch::{AwaitBody, Launch, Side, fork_daemon};
use crate::outcome::{Answer, report};
use crate::pidfile::{Held, Presence};
use crate::pipe::Pipe;
use crate::readiness::Readiness;
use crate::repeat::{Missed, OnError, Repeating};
use crate::settings::{Keys, Plan, Settings};
use crate::signals::{Birth, Blocked, Living, Manner, Signal};
use crate::stdio::Streams;
use crate::stop::Stopped;
use crate::sys::{Pid, SignalSet, getpid};
use crate::{detach, proc, stop, sys};

/// Builds a daemon out of a function, and starts, stops, restarts, queries, reloads or runs it.
///
/// The attribute macros expand to a chain of these methods.
///
/// # Examples
///
/// ```no_run
/// use daemonic::Daemon;
/// use std::time::Duration;
///
/// fn main() -> daemonic::Result {
///     Daemon::new("example")
///         .pidfile("/tmp/example.pid")
///         .stdout("/tmp/example.log")
///         .every(Duration::from_secs(5))
///         .dispatch(std::env::args().nth(1), || println!("testing daemon ..."))
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until an action is asked for"]
pub struct Daemon<M = Once> {
    settings: Settings,
    mode: M,
}

impl Daemon {
    /// Begins a daemon whose body is called once, with the defaults of every key.
    ///
    /// The name is used in messages and in the default pidfile's path; it must not hold a `/`.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let moved = String::from("called once, so it may move out of what it captures");
    /// let outcome = Daemon::new("example").pidfile("/tmp/new-example.pid").run(move || drop(moved))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { settings: Settings::new(name.into()), mode: Once }
    }

    /// Makes the body run once a period: at once, and then at the start plus one period, plus two, and
    /// so on, without drift, until it is stopped.
    ///
    /// A stop during the pause ends the daemon at once, one during a run lets the run finish. Pauses go by the
    /// monotonic clock; elsewhere than on Linux each is rounded up to a millisecond. A zero period is refused when
    /// the daemon is started; one that no clock will reach, such as [`Duration::MAX`], gives one run and then a
    /// wait for the stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::{Duration, Instant};
    ///
    /// let daemon = Daemon::new("ticker").pidfile("/tmp/every-example.pid");
    /// let begin = Instant::now();
    /// daemon.every(Duration::from_millis(10)).times(3).run(|| println!("tick"))?;
    /// assert!(begin.elapsed() >= Duration::from_millis(20)); // three runs, two pauses
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn every(self, period: Duration) -> Daemon<Repeating> {
        Daemon { settings: self.settings, mode: Repeating::new(period) }
    }
}

impl Daemon<Repeating> {
    /// Ends the daemon with exit status 0 after this many runs; 0, the default, means never.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("ticker").pidfile("/tmp/times-example.pid");
    /// let mut runs = 0;
    /// daemon.every(Duration::from_millis(1)).times(3).run(|| runs += 1)?;
    /// assert_eq!(runs, 3);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn times(mut self, times: u64) -> Self {
        self.mode.times = times;
        self
    }

    /// Says what a run that takes longer than the period does to the next ones; by default they are
    /// [skipped](Missed::Skip).
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Daemon, Missed};
    /// use std::time::{Duration, Instant};
    ///
    /// let (period, run) = (Duration::from_millis(5), Duration::from_millis(10));
    /// let daemon = Daemon::new("rest").pidfile("/tmp/missed-example.pid").every(period).times(2);
    /// let begin = Instant::now();
    /// daemon.missed(Missed::Delay).run(|| std::thread::sleep(run))?;
    /// assert!(begin.elapsed() >= run + period + run); // a whole period from end to start
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn missed(mut self, missed: Missed) -> Self {
        self.mode.missed = missed;
        self
    }

    /// Says what an error or a panic of one run does; by default it [ends](OnError::Stop) the daemon.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Daemon, OnError};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("fetch").pidfile("/tmp/on-error-example.pid").every(Duration::from_millis(1));
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
}

/// The keys. Every relative path is resolved against the caller's directory, before the daemon leaves it.
impl<M> Daemon<M> {
    /// Replaces the name that [`Daemon::new`] was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/name-example.pid");
    /// assert_eq!(daemon.name("mailer").status()?.to_string(), "mailer: not running");
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.keys.name = name.into();
        self
    }

    /// Sets the file that carries the lock
    /// ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)) and, for people, the PID.
    ///
    /// The default is `/run/NAME.pid` for root, else `$XDG_RUNTIME_DIR/NAME.pid`. Where that folder isn't there,
    /// or the variable isn't set, every action fails and asks for this key.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    /// use std::{fs, path::Path};
    ///
    /// let mut content = None;
    /// Daemon::new("example")
    ///     .pidfile("/tmp/pidfile-example.pid")
    ///     .run(|| content = fs::read_to_string("/tmp/pidfile-example.pid").ok())?;
    /// assert_eq!(content, Some(format!("{}\n", std::process::id())));
    /// assert!(!Path::new("/tmp/pidfile-example.pid").exists());
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn pidfile(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.pidfile = Some(path.as_ref().into());
        self
    }

    /// Sets the file that the daemon reads as its standard input; by default `/dev/null`.
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

    /// Sets the file that standard output is appended to; by default `/dev/null`.
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

    /// Sets the file that standard error is appended to; by default the same as standard output.
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

    /// Sets the daemon's current directory; by default `/`, so that it keeps no file system busy.
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

    /// Sets the daemon's [umask(2)](https://man7.org/linux/man-pages/man2/umask.2.html); by default
    /// `0o022`. In the foreground there is no default: what the caller has set stays.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("keeper")
    ///     .umask(0o077)
    ///     .start(|| std::fs::write("/var/tmp/secret", "the keeper's alone"))?; // with mode 0600
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn umask(mut self, mask: u32) -> Self {
        self.settings.keys.umask = Some(mask);
        self
    }

    /// Sets the signal that [`stop`](Daemon::stop) sends; by default SIGTERM.
    ///
    /// [`SIGHUP`](Signal::SIGHUP), [`SIGKILL`](Signal::SIGKILL) and [`SIGSTOP`](Signal::SIGSTOP) are
    /// refused by every action.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon, Signal};
    ///
    /// let daemon = Daemon::new("server").pidfile("/tmp/stop-signal-example.pid");
    /// let outcome = daemon.clone().stop_signal(Signal::SIGQUIT).stop()?; // SIGQUIT, if there is one
    /// assert_eq!(*outcome.answer(), Answer::NotRunning);
    /// assert!(daemon.stop_signal(Signal::SIGKILL).stop().is_err());
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.settings.keys.stop_signal = signal;
        self
    }

    /// Sets how long the daemon may take to end before [`stop`](Daemon::stop) kills it; by default ten
    /// seconds.
    ///
    /// With zero it is killed right after the signal; with a time that no clock will reach, such as
    /// [`Duration::MAX`], it never is.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::time::Duration;
    ///
    /// let daemon = Daemon::new("database").pidfile("/tmp/stop-timeout-example.pid");
    /// let outcome = daemon.stop_timeout(Duration::from_secs(60)).stop()?; // if it runs, it has a minute
    /// assert_eq!(*outcome.answer(), Answer::NotRunning);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.settings.keys.stop_timeout = timeout;
        self
    }

    /// Says whether descriptors inherited from the caller are closed in the daemon; by default they are.
    ///
    /// Inherited are those above 2 that lack `FD_CLOEXEC`; what Rust has opened has the flag and stays. A program
    /// that has made one without the flag itself, as `nix::unistd::dup` does, and keeps its owner, says `false`:
    /// otherwise the owner finds it closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// // By `heir 9>/root/gift` the daemon still has descriptor 9.
    /// Daemon::new("heir").close_fds(false).start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn close_fds(mut self, close: bool) -> Self {
        self.settings.keys.close_fds = close;
        self
    }

    /// Sets the user that the daemon becomes, by name or number; by default it stays who starts it.
    ///
    /// Its group is the user's own unless [`group`](Daemon::group) is given, and the supplementary groups are
    /// the user's. Pidfile and logs are opened before. Only root may use it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("server").user("nobody").stdout("/var/log/server.log").start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn user(mut self, user: impl Account) -> Self {
        self.settings.keys.user = Some(user.into_name());
        self.settings.keys.look_up = Some(identity::look_up);
        self
    }

    /// Sets the group that the daemon runs as, by name or number.
    ///
    /// Without [`user`](Daemon::user) it has no supplementary groups. Only root may use it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("server").user("nobody").group("adm").start(|| std::thread::park())?;
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn group(mut self, group: impl Account) -> Self {
        self.settings.keys.group = Some(group.into_name());
        self.settings.keys.look_up = Some(identity::look_up);
        self
    }

    /// Sets the folder that becomes the daemon's root, by
    /// [chroot(2)](https://man7.org/linux/man-pages/man2/chroot.2.html).
    ///
    /// Pidfile and logs are opened before, by their paths outside; so [`reload`](Daemon::reload) can't reopen
    /// the logs. [`working_directory`](Daemon::working_directory) is inside. Only root may use it, and only
    /// together with [`user`](Daemon::user) does it confine anything: root can leave a chroot.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// Daemon::new("jail")
    ///     .chroot("/srv/jail")
    ///     .user("nobody")
    ///     .start(|| std::fs::read_dir("/").map(drop))?; // of /srv/jail
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn chroot(mut self, root: impl AsRef<Path>) -> Self {
        self.settings.chroot = Some(root.as_ref().into());
        self
    }

    /// Lets [`start`](Daemon::start) wait until the body has called [`Context::ready`](crate::Context::ready), for
    /// this long at the most; by default the daemon counts as ready when its body is about to be called.
    ///
    /// If the body returns, fails, panics or exits before that, or says nothing in time, `start` fails with
    /// that reason and the daemon is gone. A time that no clock will reach, such as [`Duration::MAX`], has no end.
    /// The body must have a `Context`.
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
    pub fn wait_ready(mut self, patience: Duration) -> Self {
        self.settings.keys.wait_ready = Some(patience);
        self
    }
}

/// The actions. None of them prints anything; what they return has the message and the exit code.
impl<M> Daemon<M> {
    /// Does what `action` says: the one call behind a command line.
    ///
    /// In the background daemon it doesn't return: the body's end is the process's end.
    ///
    /// # Errors
    ///
    /// Fails if there is no action or an unknown one, or as the action's own method does.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/dispatch-example.pid");
    /// let outcome = daemon.dispatch("run", || println!("in the foreground"))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 0 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn dispatch<K, B: Body<M, K, Output: BodyResult>>(self, action: impl IntoAction, body: B) -> Result {
        match action.into_action().map_err(|error| error.named(&self.settings.keys.name))? {
            Action::Start => self.start(body),
            Action::Stop => self.stop(),
            Action::Restart => self.restart(body),
            Action::Status => self.status(),
            Action::Reload => self.reload(),
            Action::Run => self.run(body),
        }
    }

    /// Makes a whole program: reads the action from the command line, does it, prints the message, and
    /// gives the exit code.
    ///
    /// `help` prints the usage, and so does a missing or unknown action, with exit code 2. Further
    /// arguments are the body's.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use daemonic::Daemon;
    ///
    /// fn main() -> std::process::ExitCode {
    ///     Daemon::new("example").pidfile("/tmp/example.pid").main(|| println!("one run"))
    /// }
    /// ```
    pub fn main<K, B: Body<M, K, Output: BodyResult>>(self, body: B) -> ExitCode {
        let argument = env::args_os().nth(1);
        let usage = Action::usage(&self.settings.keys.name);
        if argument.as_ref().is_some_and(|word| word == "help" || word == "--help" || word == "-h") {
            let _ = io::stdout().write_all(usage.as_bytes());
            return ExitCode::SUCCESS;
        }
        let result = self.dispatch(argument, body);
        let lost = result.as_ref().is_err_and(Error::is_usage);
        let code = report(result);
        if lost {
            let _ = io::stderr().write_all(usage.as_bytes());
        }
        code
    }

    /// Starts the daemon in the background and returns once it is ready.
    ///
    /// Ready means: it is set up, it holds its pidfile, and its body is about to be called; with
    /// [`wait_ready`](Daemon::wait_ready), that the body has said so.
    ///
    /// # Errors
    ///
    /// Fails, with nothing left behind, if it is running already
    /// ([`is_already_running`](Error::is_already_running)), if this process has more than one thread or is process 1
    /// of a container, which ends with it, or if a step of the way fails; the error says which.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").start(|| std::thread::park())?;
    /// println!("{outcome}"); // example: started (pid 42)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn start<K, B: Body<M, K, Output: BodyResult>>(self, body: B) -> Result {
        let Self { settings, mode } = self;
        settings.answer(Action::Start, |plan| {
            detach::refuse_to_fork()?;
            Ok(Answer::Started { pid: Beginning::prepare::<K, B>(plan, &mode)?.launch(body)? })
        })
    }

    /// Stops the daemon and returns once it is gone.
    ///
    /// It is sent [`stop_signal`](Daemon::stop_signal), and SIGKILL if it is still there after
    /// [`stop_timeout`](Daemon::stop_timeout). Only the process that holds the pidfile's lock is ever
    /// signalled, whatever the file says: by
    /// [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html), or by
    /// [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html) where there is none. A daemon that doesn't run
    /// is no error.
    ///
    /// # Errors
    ///
    /// Fails if the daemon may not be signalled, can't be named, or is this very process.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// match Daemon::new("example").pidfile("/tmp/stop-example.pid").stop()?.answer() {
    ///     Answer::Stopped { pid } => println!("{pid} has ended"),
    ///     Answer::Killed { pid, after, .. } => println!("{pid} was still there after {after:?}"),
    ///     answer => assert_eq!(*answer, Answer::NotRunning),
    /// }
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn stop(self) -> Result {
        self.settings.answer(Action::Stop, |plan| {
            Ok(match stop::stop(plan)? {
                Stopped::NotRunning => Answer::NotRunning,
                Stopped::Gone(pid) => Answer::Stopped { pid },
                Stopped::Killed(pid) => {
                    Answer::Killed { pid, after: plan.keys.stop_timeout, signal: plan.keys.stop_signal }
                }
            })
        })
    }

    /// Stops the daemon if it runs, then starts it.
    ///
    /// # Errors
    ///
    /// Fails as [`stop`](Daemon::stop) and [`start`](Daemon::start) do. What would make the start
    /// impossible in this process is found before anything is stopped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let outcome = daemonic::Daemon::new("example").restart(|| std::thread::park())?;
    /// println!("{outcome}"); // example: restarted (pid 43)
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn restart<K, B: Body<M, K, Output: BodyResult>>(self, body: B) -> Result {
        let Self { settings, mode } = self;
        settings.answer(Action::Restart, |plan| {
            detach::refuse_to_fork()?;
            let beginning = Beginning::prepare::<K, B>(plan, &mode)?;
            let stopped = stop::stop(plan).map_err(|error| error.during(&plan.keys.name, Action::Stop))?;
            let pid = beginning.launch(body)?;
            Ok(match stopped {
                Stopped::NotRunning => Answer::Started { pid },
                Stopped::Gone(_) | Stopped::Killed(_) => Answer::Restarted { pid },
            })
        })
    }

    /// Tells whether the daemon runs, by who holds the pidfile's lock
    /// ([fcntl_locking(2)](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)).
    ///
    /// It changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if that can't be told: the pidfile can't be read or is none, or its holder has no PID here.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/status-example.pid");
    /// let mut inside = None;
    /// daemon.clone().run(|| inside = daemon.clone().status().ok())?;
    /// assert_eq!(inside.and_then(|outcome| outcome.pid()), Some(std::process::id()));
    /// assert_eq!(*daemon.status()?.answer(), Answer::NotRunning);
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn status(self) -> Result {
        self.settings.answer(Action::Status, |plan| {
            let (presence, is_seen) = plan.pidfile.look_closely()?;
            let running = |pid: Pid| Answer::Running { pid: pid.number(), up: proc::age(pid, is_seen) };
            Ok(match presence {
                Presence::Nobody => Answer::NotRunning,
                Presence::Stale => Answer::Stale { pidfile: plan.pidfile.to_path() },
                Presence::Own => running(getpid()),
                Presence::Holder(pid) => running(pid),
                Presence::Unnamed => return Err(Error::unnamed(plan.pidfile.path())),
            })
        })
    }

    /// Sends the daemon SIGHUP, by which it reopens its log files; returns when it is sent.
    ///
    /// As for [`stop`](Daemon::stop), only the holder of the pidfile's lock is signalled, by
    /// [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html) or
    /// [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html). A body with a `Context` hears of it by
    /// [`next_event`](crate::Context::next_event) or [`reload_requested`](crate::Context::reload_requested).
    ///
    /// # Errors
    ///
    /// Fails if the daemon doesn't run ([`is_not_running`](Error::is_not_running)) or may not be
    /// signalled.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Context, Daemon};
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/reload-example.pid");
    /// let mut heard = false;
    /// daemon.clone().run(|context: &Context| {
    ///     daemon.clone().reload()?;
    ///     heard = context.reload_requested();
    ///     Ok::<_, daemonic::Error>(())
    /// })?;
    /// assert!(heard);
    /// assert!(daemon.reload().unwrap_err().is_not_running());
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn reload(self) -> Result {
        self.settings
            .answer(Action::Reload, |plan| Ok(Answer::Reloaded { pid: stop::reload(&plan.pidfile)? }))
    }

    /// Runs the daemon in the foreground, as a service manager, a container or a debugger wants it, and
    /// returns when the body has ended.
    ///
    /// Nothing is forked; streams and directory stay as they are, but for a [`chroot`](Daemon::chroot), which is
    /// entered. The pidfile, its lock, the signals, the user and the group are those of the background. What
    /// user, root and umask it has taken on, the process keeps when this returns.
    ///
    /// # Errors
    ///
    /// Fails if it is running already ([`is_already_running`](Error::is_already_running)), if the pidfile or the
    /// handlers can't be had, if the [`user`](Daemon::user) or [`group`](Daemon::group) can't be taken on or the
    /// [`chroot`](Daemon::chroot) can't be entered, or if there is [`wait_ready`](Daemon::wait_ready) and the body
    /// has no `Context`. That the body has failed is no error of this method: the outcome has its exit code.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::{Answer, Daemon};
    /// use std::process::ExitCode;
    ///
    /// let daemon = Daemon::new("example").pidfile("/tmp/run-example.pid");
    /// let outcome = daemon.run(|| ExitCode::from(3))?;
    /// assert_eq!(*outcome.answer(), Answer::Finished { code: 3 });
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    pub fn run<K, B: Body<M, K, Output: BodyResult>>(self, body: B) -> Result {
        let Self { settings, mode } = self;
        settings.answer(Action::Run, |plan| {
            Ok(Answer::Finished { code: Beginning::prepare::<K, B>(plan, &mode)?.be_foreground(body)? })
        })
    }
}

/// A daemon that is about to begin: checked, and everything looked up that the daemon itself can't.
struct Beginning<'a, M> {
    plan: &'a Plan<'a>,
    mode: &'a M,
    identity: Option<TakeOn>,
}

impl<'a, M> Beginning<'a, M> {
    /// Refuses what this body can't be asked for, and looks up whom it shall run as.
    fn prepare<K, B: Body<M, K>>(plan: &'a Plan<'a>, mode: &'a M) -> Result<Self> {
        B::check(mode)?;
        if plan.keys.wait_ready.is_some() && !B::WITH_CONTEXT {
            return Err(Error::failed(format_args!(
                "`wait_ready` needs a body with a `Context`, which says when it is ready"
            )));
        }
        let look_up = |look_up: LookUp| look_up(plan.keys.user.as_deref(), plan.keys.group.as_deref());
        let identity = plan.keys.look_up.map(look_up).transpose()?;
        Ok(Self { plan, mode, identity })
    }

    /// Forks the daemon. Returns in the launcher only.
    fn launch<K, B: Body<M, K, Output: BodyResult>>(self, body: B) -> Result<u32> {
        match self.plan.pidfile.look_closely()?.0 {
            Presence::Nobody | Presence::Stale => {}
            Presence::Own => return Err(Error::already_running(getpid())),
            Presence::Holder(pid) => return Err(Error::already_running(pid)),
            Presence::Unnamed => return Err(Error::unnamed(self.plan.pidfile.path())),
        }
        match fork_daemon()? {
            Side::Launcher(launch) => {
                let await_body: Option<AwaitBody> =
                    if B::WITH_CONTEXT { Some(Launch::await_body) } else { None };
                launch.outcome(self.plan, await_body).map(Pid::number)
            }
            Side::Daemon(readiness) => self.be_daemon(readiness, body),
        }
    }

    /// The daemon's whole life, from the second fork to its exit.
    fn be_daemon<K, B: Body<M, K, Output: BodyResult>>(&self, readiness: Readiness, body: B) -> ! {
        let mut living = match self.set_up::<K, B>() {
            Ok(living) => living,
            Err(error) => {
                readiness.failed(error);
                sys::exit_now(1)
            }
        };
        let state = living.state();
        let told = match self.plan.keys.wait_ready {
            Some(_) if B::WITH_CONTEXT => living.let_body_say(readiness),
            _ => readiness.ready(state.owner.pid()),
        };
        if told.is_err() {
            // There is no launcher any more.
            drop(living);
            sys::exit_now(1);
        }
        let context = living.context();
        let _ = SignalSet::of(&[]).block();
        // Nothing may unwind from here into what the caller would do next.
        let ending = Ending::caught(|| body.live(self.mode, &self.plan.keys.name, &context));
        ending.log(&self.plan.keys.name);
        state.failed(ending.reason());
        // Flushes what the body has printed; the exit handler removes the pidfile.
        std::process::exit(ending.code.into())
    }

    /// Does the steps of [daemon(7)](https://man7.org/linux/man-pages/man7/daemon.7.html) that come after
    /// the forks. What needs the caller's root and privileges comes before they are given up.
    fn set_up<K, B: Body<M, K>>(&self) -> Result<Living> {
        let plan = self.plan;
        detach::undo_ignored_signals();
        detach::set_umask(plan.keys.umask.unwrap_or(0o022));
        if plan.keys.close_fds {
            detach::close_inherited();
        }
        let held = plan.pidfile.acquire()?;
        plan.streams.redirect(held.id())?;
        self.confine()?;
        detach::enter(&plan.working_directory)?;
        self.drop_privileges()?;
        self.begin_life::<K, B>(held, Some(plan.streams.clone()))
    }

    /// The same life without the forks: the caller's streams and directory stay.
    fn be_foreground<K, B: Body<M, K, Output: BodyResult>>(&self, body: B) -> Result<u8> {
        let plan = self.plan;
        if let Some(mask) = plan.keys.umask {
            detach::set_umask(mask);
        }
        let blocked =
            Blocked::all().map_err(|errno| Error::os(format_args!("cannot block signals"), errno))?;
        let held = plan.pidfile.acquire()?;
        self.confine()?;
        self.drop_privileges()?;
        let living = self.begin_life::<K, B>(held, None)?;
        let context = living.context();
        blocked.give_back();
        living.unblock();
        if plan.keys.wait_ready.is_none() {
            living.state().ready();
        }
        let ending = Ending::caught(|| body.live(self.mode, &plan.keys.name, &context));
        ending.log(&plan.keys.name);
        living.state().supervisor.stopping();
        Ok(ending.code)
    }

    fn confine(&self) -> Result<()> {
        self.plan.chroot.as_deref().map_or(Ok(()), detach::confine)
    }

    fn drop_privileges(&self) -> Result<()> {
        self.identity.as_ref().map_or(Ok(()), |take_on| take_on())
    }

    /// Installs the handlers; streams are given in the background only.
    fn begin_life<K, B: Body<M, K>>(&self, held: Held, streams: Option<Streams>) -> Result<Living> {
        let manner = match (B::GRACEFUL, &streams) {
            (false, _) => Manner::Abrupt,
            (true, Some(_)) => Manner::Graceful,
            (true, None) => Manner::GracefulForeground,
        };
        // Only a body with a `Context` may ask for `Context::as_fd`.
        let pipe = if B::WITH_CONTEXT { Pipe::new().map(Some) } else { Ok(None) };
        let Keys { name, stop_signal, .. } = self.plan.keys;
        Living::begin(Birth { name, stop_signal: *stop_signal, manner, pipe, streams, held })
    }
}
