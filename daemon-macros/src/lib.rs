//! The attribute macros of [`daemonic`](https://docs.rs/daemonic), which is the crate to use: it
//! has them, the builder that they expand to, and the guide.

use proc_macro::TokenStream;

mod args;
mod diag;
mod expand;
mod item;
#[cfg(test)]
mod tests;
mod value;

use args::Macro;

/// Turns a fn into a daemon.
///
/// On a free fn, the fn keeps its name, its parameters, its docs and its visibility, and gains a
/// first parameter: the action, one of `start`, `stop`, `restart`, `status`, `reload` and `run`. What
/// it returns is the action's outcome; its own return type decides the daemon's exit status.
///
/// ```no_run
/// use daemonic::daemon;
///
/// #[daemon(pidfile = "/tmp/example.pid", stdout = "/tmp/example.log")]
/// fn example() {
///     loop {
///         println!("testing daemon ...");
///         std::thread::sleep(std::time::Duration::from_secs(5));
///     }
/// }
///
/// fn main() -> daemonic::Result {
///     example(std::env::args().nth(1))
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
///         .pidfile("/tmp/example.pid")
///         .stdout("/tmp/example.log")
///         .dispatch(action, example)
/// }
/// # fn main() {}
/// ```
///
/// # Keys
///
/// Each but `crate` is also a method of the builder `Daemon`, of the same name. Values are
/// expressions; those in quotes are checked when the program is compiled. A duration's units are `ns`, `us`, `ms`, `s`,
/// `m`, `h`, `d`, `w`, `month` and `y`, as in `"1h 30m"`. The guide,
/// [`daemonic::guide::keys`](https://docs.rs/daemonic/latest/daemonic/guide/keys/), has an example of each.
///
/// | key | value | default |
/// |---|---|---|
/// | `name` | the name in messages and in the default pidfile's path | the fn's; for `main` the binary's |
/// | `pidfile` | a path | `/run/NAME.pid` for root, else `$XDG_RUNTIME_DIR/NAME.pid`, else none: it must be there |
/// | `stdin` | a path | `/dev/null` |
/// | `stdout` | a path, appended to, created if missing | `/dev/null` |
/// | `stderr` | a path, appended to, created if missing | the same as `stdout` |
/// | `working_directory` | a path | `/` |
/// | `umask` | the permissions to take away from new files, in octal | `0o022` |
/// | `user` | a name or number: whom the daemon becomes, with the groups that go with it | who starts it |
/// | `group` | a name or number | the user's |
/// | `chroot` | a path, which becomes the daemon's root | none |
/// | `stop_signal` | `"SIGTERM"`, `"TERM"`, or a `Signal` | `"SIGTERM"` |
/// | `stop_timeout` | `"10s"`, or a `Duration`, after which `SIGKILL` is sent | `"10s"` |
/// | `close_fds` | whether descriptors inherited from the caller are closed | `true` |
/// | `wait_ready` | `"30s"`, or a `Duration`: how long `start` waits for `Context::ready()` | it doesn't |
/// | `crate` | the path of this crate, for those who re-export it | `::daemonic` |
///
/// # Parameters
///
/// The fn can be an associated one, but no method, and neither generic, `const`, `unsafe` nor `extern`. Its parameters
/// have names and types that can be written: no patterns, no `impl Trait`.
///
/// They are handed to the body, in the daemon. Values of keys may use them, so one fn
/// can serve many instances:
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
/// A parameter of type `Context` or `&Context` is filled by the runtime and vanishes from the outer
/// signature. It asks for graceful shutdown: the body looks at it, and returns when it is told to.
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
/// # On `main`
///
/// On `fn main` it makes a whole program, which reads the action from its first argument, knows
/// `help`, and exits with the action's code. Further arguments are the body's.
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
///     daemonic::Daemon::new("example").main(main)
/// }
/// ```
///
/// # Async
///
/// Attributes move with the body, except for docs, `cfg`, `deprecated`, `must_use` and lints. So the
/// runtime of an async fn is built in the daemon, after the fork, where its threads survive:
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

/// Turns a fn into a daemon that calls it again and again.
///
/// The first run is at once, and the others follow at a steady period, which doesn't drift. A stop
/// during the pause ends the daemon at once; a stop during a run lets the run finish.
///
/// ```no_run
/// use daemonic::repeat_daemon;
///
/// #[repeat_daemon(every = "5s", times = 3, pidfile = "/tmp/tick.pid", stdout = "/tmp/tick.log")]
/// fn tick() {
///     println!("tick");
/// }
///
/// fn main() -> daemonic::Result {
///     tick(std::env::args().nth(1))
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
///         .pidfile("/tmp/tick.pid")
///         .stdout("/tmp/tick.log")
///         .every(std::time::Duration::from_secs(5))
///         .times(3)
///         .dispatch(action, tick)
/// }
/// # fn main() {}
/// ```
///
/// # Keys
///
/// All of [`macro@daemon`]'s, and these:
///
/// | key | value | default |
/// |---|---|---|
/// | `every` | `"500ms"`, `"1h 30m"`, or a `Duration`: the period | none, it must be there |
/// | `times` | how many runs; 0 means forever | 0 |
/// | `missed` | what a run longer than the period does, see below, or a `Missed` | `"skip"` |
/// | `on_error` | what an `Err` or a panic of one run does: `"stop"` ends the daemon with a failure, `"continue"` logs it and goes on; or an `OnError` | `"stop"` |
///
/// `missed = "skip"` leaves out the runs whose time has passed, `"burst"` makes up for them, and with
/// `"delay"` each pause is a whole period and starts when the run ends.
///
/// # Parameters
///
/// As [`macro@daemon`]'s. What is taken by value must be `Clone`, since each run gets a clone of its
/// own; what is taken by reference is lent to each run.
#[proc_macro_attribute]
pub fn repeat_daemon(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Macro::RepeatDaemon, args.into(), &item.into()).into()
}
