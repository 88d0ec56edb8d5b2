//! A program that calls daemons inside a tokio runtime of the kind `SUBJECT_FLAVOR`.
//!
//! Each of these daemons builds a runtime of its own. `SUBJECT_VARIANT` is one of them.

use std::env;
use std::process::ExitCode;

use daemonic::{Context, Daemon, IntoAction, daemon, repeat_daemon};
use tokio::runtime::Builder;

fn pidfile() -> String {
    env::var("SUBJECT_PIDFILE").expect("a pidfile")
}

#[daemon(name = "subject", pidfile = pidfile())]
#[tokio::main]
async fn attribute() {
    println!("body");
}

#[daemon(name = "subject", pidfile = pidfile())]
#[tokio::main(flavor = "current_thread")]
async fn context(context: &Context) {
    println!("body {}", context.is_stopping());
}

#[repeat_daemon(name = "subject", pidfile = pidfile(), every = "1ms", on_error = "continue")]
#[tokio::main]
async fn repeat() {
    println!("body");
}

fn builder(action: impl IntoAction) -> daemonic::Result {
    Daemon::new("subject").pidfile(pidfile()).dispatch(action, |_: &Context| {
        Builder::new_current_thread().build()?.block_on(async { println!("body") });
        Ok::<(), std::io::Error>(())
    })
}

/// Panics for another reason.
fn panicking(action: impl IntoAction) -> daemonic::Result {
    Daemon::new("subject").pidfile(pidfile()).dispatch(action, || panic!("of its own"))
}

fn dispatch(action: Option<String>) -> daemonic::Result {
    match env::var("SUBJECT_VARIANT").as_deref() {
        Ok("context") => context(action),
        Ok("repeat") => repeat(action),
        Ok("builder") => builder(action),
        Ok("panicking") => panicking(action),
        _ => attribute(action),
    }
}

fn main() -> ExitCode {
    let action = env::args().nth(1);
    let mut builder = match env::var("SUBJECT_FLAVOR").as_deref() {
        Ok("current_thread") => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    daemonic::report(match env::var("SUBJECT_PLACE").as_deref() {
        // Threads like these may block, and so may have a runtime of their own.
        Ok("blocking") => runtime.block_on(async {
            tokio::task::spawn_blocking(move || dispatch(action)).await.expect("no panic")
        }),
        Ok("entered") => {
            let _entered = runtime.enter();
            dispatch(action)
        }
        _ => runtime.block_on(async { dispatch(action) }),
    })
}
