//! The keys that every daemon has.

use std::path::Path;
use std::time::Duration;

use super::Daemon;
use crate::command::account::Account;
use crate::command::children::Children;
use crate::command::respawn::Respawn;
use crate::command::signal::Signal;
use crate::life::check::{CheckResult, Checked};
use crate::life::respawning::Respawning;

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
    /// given. The pidfile and the logs are opened before the change. Only root can use this key, or a process that has
    /// the user and the group already, whose supplementary groups then stay as they are.
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
    /// use this key, or a process that has the group already.
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
    /// is. A panic of the check reaches the caller of the action before anything has changed.
    /// [`Action::Check`](crate::Action::Check), given to [`dispatch`](Daemon::dispatch) or [`main`](Daemon::main), runs
    /// the check and starts nothing. Several checks run in the order in which they are given.
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
    /// The daemon ends with the exit code of the last failure. With 0, it never gives up. A success resets the count.
    /// After a life longer than the longest pause ([`respawn_delay`](Daemon::respawn_delay)), the count starts again.
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
