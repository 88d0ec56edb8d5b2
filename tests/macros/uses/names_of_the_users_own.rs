//! A crate whose names are those that an expansion could mean.
#![no_implicit_prelude]

mod core {}
mod std {}
mod alloc {}
#[derive(::std::clone::Clone)]
struct Daemon;
struct Result;
struct Duration;
struct IntoAction;
#[expect(non_camel_case_types, reason = "like a type of the prelude")]
struct u64;
struct Clone;
struct Signal;
struct Missed;
struct OnError;
enum Option {
    Some,
    None,
}
use Option::{None, Some};

/// A local macro that isn't the standard one.
macro_rules! unreachable {
    () => {};
}

#[::daemonic::repeat_daemon(every = "5s", missed = "delay", on_error = "continue", stop_signal = "INT")]
fn example(daemon: Daemon, context: ::daemonic::Context) {
    unreachable!();
    let ours = (daemon, Result, Duration, IntoAction, u64, Clone, Signal, Missed, OnError, Some, None);
    ::std::mem::drop((context, ours));
}

#[::daemonic::daemon(wait_ready = "1500ms")]
fn main(_context: &::daemonic::Context) -> ! {
    ::std::mem::drop(example("no action", Daemon));
    loop {
        ::std::thread::park();
    }
}
