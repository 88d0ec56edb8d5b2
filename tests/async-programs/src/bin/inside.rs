//! A program that calls the dispatcher inside a tokio runtime of the kind `SUBJECT_FLAVOR`.

use std::env;
use std::process::ExitCode;

use daemonic::{Context, Daemon};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let mut builder = match env::var("SUBJECT_FLAVOR").as_deref() {
        Ok("current_thread") => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime").block_on(async {
        let daemon = Daemon::new("subject").pidfile(env::var("SUBJECT_PIDFILE").expect("a pidfile"));
        daemonic::report(daemon.dispatch(env::args().nth(1), |context: &Context| {
            println!("stopping {}", context.wait(std::time::Duration::MAX));
        }))
    })
}
