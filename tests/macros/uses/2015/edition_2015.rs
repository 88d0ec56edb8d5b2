//! A crate of the edition 2015, in which paths begin at its root.

extern crate daemonic;

use std::process::ExitCode;

use daemonic::{Context, daemon, repeat_daemon};

mod core {}
mod alloc {}

#[daemon(pidfile = "/tmp/example.pid", stop_timeout = "3s", stop_signal = "INT")]
fn plain() -> Result<(), std::env::VarError> {
    std::env::var("HOME").map(drop)
}

#[repeat_daemon(every = "5s", times = 3, pidfile = format!("/tmp/{id}.pid"), missed = "delay")]
fn repeated(id: u32, mut names: Vec<String>, context: &Context) -> ExitCode {
    names.push(format!("{id}"));
    ExitCode::from(u8::from(context.is_stopping()))
}

mod inside {
    use daemonic::{Context, daemon};

    #[daemon]
    pub(crate) fn endless(speed: u8, context: &Context) -> ! {
        loop {
            println!("{speed} {}", context.is_stopping());
        }
    }
}

#[daemon]
fn main() {
    drop(plain("no action"));
    drop(repeated("no action", 3, Vec::new()));
    drop(inside::endless("no action", 3));
}
