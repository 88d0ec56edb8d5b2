//! The attribute macros of [`daemonic`](https://docs.rs/daemonic).
//!
//! Depend on `daemonic`, which re-exports them. It also has the builder that they expand to, and the
//! guide.

use proc_macro::TokenStream;

mod args;
mod diag;
mod expand;
mod item;
mod mention;
#[cfg(test)]
mod tests;
mod value;

use args::Macro;

/// Turns a function into a daemon.
///
/// The function keeps its name, visibility, documentation and parameters. It gains a first
/// parameter, the action: one of `start`, `stop`, `restart`, `ensure`, `status`, `reload`, `logs`,
/// `check` and `run`, or with the feature `service` also `unit`, `install` and `uninstall`. It returns
/// the outcome of the action. The function's own return value becomes the exit status of
/// the daemon.
///
/// ```no_run
/// use daemonic::daemon;
///
/// #[daemon(pidfile = "/run/example.pid", stdout = "/var/log/example.log")]
/// fn example() {
///     loop {
///         println!("testing daemon ...");
///         std::thread::sleep(std::time::Duration::from_secs(5));
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     daemonic::report(example(std::env::args().nth(1)))
/// }
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// fn example(action: impl daemonic::IntoAction) -> daemonic::Result {
///     fn example() {
///         loop {
///             println!("testing daemon ...");
///             std::thread::sleep(std::time::Duration::from_secs(5));
///         }
///     }
///     daemonic::Daemon::new("example")
///         .pidfile("/run/example.pid")
///         .stdout("/var/log/example.log")
///         .dispatch(action, example)
/// }
/// # fn main() {}
/// ```
///
/// # Keys
///
/// Each key but `crate` is also a method of the builder `Daemon`, of the same name. Values are
/// expressions. Values in quotes are checked when the program is compiled. A duration is one or more
/// numbers with units, such as `"1h 30m"`; the units are `ns`, `us`, `ms`, `s`, `m`, `h`, `d`, `w`,
/// `month` and `y`. The guide has an example of each key, in
/// [`daemonic::guide::keys`](https://docs.rs/daemonic/latest/daemonic/guide/keys/).
///
/// | key | value | default |
/// |---|---|---|
/// | `name` | the name in messages and in the path of the default pidfile | the function's name; for `main`, the binary's, or without cargo the executable's file name |
/// | `pidfile` | a path | for root `/run/NAME.pid`, for others `$XDG_STATE_HOME/NAME.pid`, or `~/.local/state/NAME.pid` if that variable is not set |
/// | `stdin` | a path | `/dev/null` |
/// | `stdout` | a path; the file is created if missing, and appended to | `/dev/null` |
/// | `stderr` | a path; the file is created if missing, and appended to | the same as `stdout` |
/// | `working_directory` | a path; the body's relative paths are resolved against it, except with `run` | `/` |
/// | `umask` | the permissions that new files do not get, in octal | `0o022` |
/// | `user` | the name or number of the user that the daemon runs as, with that user's supplementary groups | the caller |
/// | `group` | a name or number | the user's primary group |
/// | `chroot` | the path of the daemon's root directory | none |
/// | `stop_signal` | `"SIGTERM"`, `"TERM"` or a `Signal` | `"SIGTERM"` |
/// | `stop_timeout` | how long `stop` waits before it sends `SIGKILL`: `"10s"` or a `Duration` | `"10s"` |
/// | `close_fds` | whether to close descriptors inherited from the caller | `true` |
/// | `wait_ready` | how long `start` waits for `Context::ready()`: `"30s"` or a `Duration` | `start` does not wait for it |
/// | `wait_alive` | how long `start` waits, and fails if the body has ended by then: `"2s"` or a `Duration` | `start` does not wait for it |
/// | `respawn` | the outcomes of the body after which it is called again: `"never"`, `"on-failure"`, `"always"` or a `Respawn` | `"never"` |
/// | `respawn_delay` | the pause before the first respawn: `"500ms"` or a `Duration`; doubled each time, up to sixty times this | `"1s"` |
/// | `respawn_limit` | the number of failures in a row after which the daemon ends; 0 means never | 10 |
/// | `children` | what happens to processes that the body leaves running when it ends: `"leave"`, `"end"` or a `Children` | `"leave"` |
/// | `check` | a `Result` that is evaluated before `start`, `restart`, `ensure` or `run`; an error ends the action | none |
/// | `version` | what `--version` prints after the name | for `main`, the package's version; otherwise none |
/// | `crate` | the path of this crate, for crates that re-export it | `::daemonic` |
///
/// # Parameters
///
/// The function can be a free function or an associated function without `self`. It cannot be
/// generic, `const`, `unsafe` or `extern`. Each parameter needs a name and a named type, so patterns
/// and `impl Trait` are not allowed.
///
/// The arguments are passed to the body in the daemon. The values of keys may use them, so that one
/// function serves many instances. A parameter that a key uses counts as used, even if the body does
/// not mention it.
///
/// An argument that is passed by value is dropped once: by the daemon, or by the launcher if the body
/// was never called. A relative path must be made absolute by the caller
/// ([`std::path::absolute`]), because the daemon's directory is `/`.
///
/// ```no_run
/// # use daemonic::daemon;
/// #[daemon(pidfile = format!("/run/worker-{id}.pid"))]
/// fn worker(id: u32, name: String) {
///     // ...
/// }
/// # fn main() {}
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// fn worker(action: impl daemonic::IntoAction, id: u32, name: String) -> daemonic::Result {
///     fn worker(id: u32, name: String) {
///         // ...
///     }
///     daemonic::Daemon::new("worker")
///         .pidfile(format!("/run/worker-{id}.pid"))
///         .dispatch(action, move || worker(id, name))
/// }
/// # fn main() {}
/// ```
///
/// The runtime passes a parameter of type `Context` or `&Context`; callers do not. Such a parameter
/// requests a graceful shutdown: `stop` does not end the body but asks it to return.
///
/// ```no_run
/// # use daemonic::{Context, daemon};
/// #[daemon]
/// fn serve(port: u16, context: &Context) {
///     while !context.is_stopping() {
///         // ...
///     }
/// }
/// # fn main() {}
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// # use daemonic::Context;
/// fn serve(action: impl daemonic::IntoAction, port: u16) -> daemonic::Result {
///     fn serve(port: u16, context: &Context) {
///         while !context.is_stopping() {
///             // ...
///         }
///     }
///     daemonic::Daemon::new("serve")
///         .dispatch(action, move |context: &daemonic::Context| serve(port, context))
/// }
/// # fn main() {}
/// ```
///
/// # Supervision
///
/// With `respawn` or `children = "end"`, the daemon is a supervisor, and the body runs in a child of
/// it. With `respawn`, each life of the body begins with what the caller has passed: an argument that
/// is passed by value must be `Clone`, because each life gets its own clone. A `&` reference is lent to
/// each life. A `&mut` reference is refused, because no life could change what it refers to. The
/// supervisor drops the arguments, once, when the daemon ends.
///
/// With `children = "end"` alone, there is one life. It gets the arguments themselves and drops them.
/// It can change what a `&mut` reference refers to, but the caller never sees that, not even with `run`.
///
/// ```no_run
/// # use daemonic::daemon;
/// #[daemon(respawn = "on-failure", respawn_limit = 3, children = "end")]
/// fn serve(program: String, arguments: &[String]) -> std::io::Result<()> {
///     std::process::Command::new(program).args(arguments).status()?;
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// fn serve(action: impl daemonic::IntoAction, program: String, arguments: &[String]) -> daemonic::Result {
///     fn serve(program: String, arguments: &[String]) -> std::io::Result<()> {
///         std::process::Command::new(program).args(arguments).status()?;
///         Ok(())
///     }
///     daemonic::Daemon::new("serve")
///         .respawn_limit(3)
///         .children(daemonic::Children::End)
///         .respawn(daemonic::Respawn::OnFailure)
///         .dispatch(action, move || serve(<String as daemonic::RunArgument>::for_run(&program), arguments))
/// }
/// # fn main() {}
/// ```
///
/// The guide has a chapter about it,
/// [`daemonic::guide::supervision`](https://docs.rs/daemonic/latest/daemonic/guide/supervision/).
///
/// # On `main`
///
/// On `fn main`, the attribute makes a whole program. It reads options and the action from the
/// arguments, prints a usage text for `help` or a missing action, prints the package's version for
/// `--version`, and exits with the code of the action. Arguments after the action are left to the body.
///
/// ```no_run
/// # use daemonic::daemon;
/// #[daemon]
/// fn main() {
///     // ...
/// }
/// ```
///
/// Equivalent code without the macro, in a binary called `example`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     fn main() {
///         // ...
///     }
///     daemonic::Daemon::new("example").version(env!("CARGO_PKG_VERSION")).main(main)
/// }
/// ```
///
/// Only cargo passes the name of the binary and the version to the compiler. In a program that is built by `rustc`
/// alone, the name is `daemonic::program_name()`, the file name of the executable, and there is no version.
///
/// # Async
///
/// Attributes below this one apply to the body, except for docs, `cfg`, `deprecated`, `must_use` and
/// lints. So the runtime of an async function is built in the daemon. A runtime that is built before
/// the fork loses its threads.
///
/// ```no_run
/// # use daemonic::daemon;
/// #[daemon]
/// #[tokio::main]
/// async fn serve() {
///     // ...
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn daemon(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Macro::Daemon, args.into(), &item.into()).into()
}

/// Turns a function into a daemon that calls it repeatedly.
///
/// With `every`, the first run is immediate, and the others follow at a steady period, which does not drift. With
/// `cron`, the runs are at times of day. A stop during a pause ends the daemon at once. A stop during a run lets the
/// run finish. Two further actions are for such a daemon: `once`, and with the feature `cron` also `next`.
///
/// ```no_run
/// use daemonic::repeat_daemon;
///
/// #[repeat_daemon(every = "5s", times = 3, pidfile = "/run/tick.pid", stdout = "/var/log/tick.log")]
/// fn tick() {
///     println!("tick");
/// }
///
/// fn main() -> std::process::ExitCode {
///     daemonic::report(tick(std::env::args().nth(1)))
/// }
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// fn tick(action: impl daemonic::IntoAction) -> daemonic::Result {
///     fn tick() {
///         println!("tick");
///     }
///     daemonic::Daemon::new("tick")
///         .pidfile("/run/tick.pid")
///         .stdout("/var/log/tick.log")
///         .every(std::time::Duration::from_secs(5))
///         .times(3)
///         .dispatch(action, tick)
/// }
/// # fn main() {}
/// ```
///
/// # Keys
///
/// All keys of [`macro@daemon`], and these:
///
/// | key | value | default |
/// |---|---|---|
/// | `every` | the period: `"500ms"`, `"1h 30m"` or a `Duration` | none; this or `cron` is required |
/// | `cron` | the times of the runs: a cron expression, such as `"30 3 * * MON-FRI"`; needs the feature `cron` | none |
/// | `timezone` | the time zone of `cron`, such as `"Europe/Berlin"` | the system's |
/// | `delay` | the pause before the first run, with `every`: `"1m"` or a `Duration` | none |
/// | `jitter` | the time of which a random part makes each run late: `"2s"` or a `Duration` | none |
/// | `clock` | the clock of `every`: `"monotonic"`, `"boot"`, which counts the time in suspend, or a `Clock` | `"monotonic"` |
/// | `times` | the number of runs; 0 means forever | 0 |
/// | `missed` | what a run that takes longer than the period of `every` causes: `"skip"`, `"burst"`, `"delay"` or a `Missed` | `"skip"` |
/// | `on_error` | what an `Err` or a panic of a run causes: `"stop"`, `"continue"` or an `OnError` | `"stop"` |
/// | `retry` | the number of further attempts of a run that fails, before `on_error` decides | 0 |
/// | `retry_delay` | the pause before the first further attempt; each later one is twice as long | `"10s"` |
/// | `run_timeout` | how long a run may take; then its `Context` reports a stop, and the run has failed | none |
/// | `catch_up` | whether a run that was due while the daemon was down is made up for at the next start | `false` |
/// | `state` | the file in which `catch_up` keeps the time of the last success | root: `/var/lib/NAME/state`; others: `~/.local/state/NAME.state` |
/// | `setup` | an expression for the value that each run borrows: a `T`, or a `Result<T, E>` whose `E` is `Display` | none |
///
/// With `missed = "skip"`, runs whose time has passed are skipped. With `"burst"`, they follow
/// without a pause. With `"delay"`, each run starts a whole period after the end of the previous one.
///
/// With `on_error = "stop"`, the daemon ends with a failure. With `"continue"`, it logs the error and
/// goes on. In a program with `panic = "abort"`, a panic ends the daemon in any case. With `respawn`,
/// this key decides first: only an error or a panic that it does not let pass ends a life of the body.
///
/// The period does not count the time for which the machine is suspended, unless `clock = "boot"`.
///
/// With `cron`, the runs follow the time of day. If clocks change, the rule is that of Debian's cron(8), which the
/// guide explains in a chapter, [`daemonic::guide::time`](https://docs.rs/daemonic/latest/daemonic/guide/time/).
///
/// # Parameters
///
/// The parameters are those of [`macro@daemon`]. The type of an argument that is passed by value must
/// be `Clone`, because each run gets its own clone. References are lent to each run, so a state that
/// the runs change and keep is a `&mut` reference. With `respawn`, use `setup` for such a state:
///
/// ```no_run
/// # use daemonic::repeat_daemon;
/// #[repeat_daemon(every = "5s")]
/// fn count(name: String, runs: &mut u32) {
///     *runs += 1;
///     println!("run {runs} of {name}");
/// }
/// # fn main() {}
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// fn count(action: impl daemonic::IntoAction, name: String, runs: &mut u32) -> daemonic::Result {
///     fn count(name: String, runs: &mut u32) {
///         *runs += 1;
///         println!("run {runs} of {name}");
///     }
///     daemonic::Daemon::new("count")
///         .every(std::time::Duration::from_secs(5))
///         .dispatch(action, move || count(<String as daemonic::RunArgument>::for_run(&name), runs))
/// }
/// # fn main() {}
/// ```
///
/// # Setup
///
/// A state that the caller does not pass, such as a connection, is made by the key `setup`: once, in
/// the daemon, before it is ready. Each run borrows it through the first parameter that is not a
/// `Context`, which has to be a `&mut` reference; callers do not pass it. An error or a panic of
/// `setup` makes the start fail with its text. The value is dropped when the daemon ends. With
/// `respawn`, each life of the body makes a value of its own, and drops it.
///
/// ```no_run
/// # use daemonic::repeat_daemon;
/// # use std::{io, io::Write, net::TcpStream};
/// #[repeat_daemon(every = "10s", setup = TcpStream::connect(address))]
/// fn beat(stream: &mut TcpStream, address: &str) -> io::Result<()> {
///     writeln!(stream, "to {address}")
/// }
/// # fn main() {}
/// ```
///
/// Equivalent code without the macro:
///
/// ```no_run
/// # use std::{io, io::Write, net::TcpStream};
/// fn beat(action: impl daemonic::IntoAction, address: &str) -> daemonic::Result {
///     fn beat(stream: &mut TcpStream, address: &str) -> io::Result<()> {
///         writeln!(stream, "to {address}")
///     }
///     daemonic::Daemon::new("beat")
///         .every(std::time::Duration::from_secs(10))
///         .setup(move || TcpStream::connect(address))
///         .dispatch(action, move |state: &mut TcpStream| beat(state, address))
/// }
/// # fn main() {}
/// ```
///
/// An argument that is passed by value is cloned for `setup`, because the runs need it too.
#[proc_macro_attribute]
pub fn repeat_daemon(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Macro::RepeatDaemon, args.into(), &item.into()).into()
}
