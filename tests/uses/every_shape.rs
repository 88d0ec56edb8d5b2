//! What a body may take and return.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    rust_2018_idioms,
    let_underscore_drop
)]
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use daemonic::{Context, Missed, Signal, daemon, repeat_daemon};

mod facade {
    pub(crate) use ::daemonic as renamed;
}

#[daemon]
fn endless(_speed: u8) -> ! {
    loop {
        std::thread::park();
    }
}

#[daemon(stop_timeout = Duration::from_secs(3), stop_signal = Signal::SIGINT)]
fn endless_with_context(context: Context) -> ! {
    loop {
        let _ = context.is_stopping();
    }
}

#[daemon(pidfile = path)]
#[must_use]
fn exit_code(path: PathBuf) -> ExitCode {
    println!("{}", path.display());
    ExitCode::SUCCESS
}

#[daemon(crate = facade::renamed, stop_signal = "QUIT")]
#[deprecated = "for a test"]
fn renamed(_context: &Context) -> Result<(), String> {
    Ok(())
}

#[repeat_daemon(every = Duration::from_secs(3), missed = Missed::Skip)]
fn lent(mut name: String, list: &mut Vec<u8>, text: &str) -> Result<ExitCode, Infallible> {
    name.push('!');
    list.push(1);
    println!("{name} {text}");
    Ok(ExitCode::SUCCESS)
}

struct Associated;

impl Associated {
    #[daemon]
    fn example(count: u8) {
        println!("{count}");
    }
}

fn main() {
    drop(endless("no action", 3));
    drop(endless_with_context("no action"));
    drop(exit_code("no action", PathBuf::from("/tmp/example.pid")));
    #[expect(deprecated)]
    drop(renamed("no action"));
    drop(lent("no action", String::new(), &mut Vec::new(), "text"));
    drop(Associated::example("no action", 3));
}
