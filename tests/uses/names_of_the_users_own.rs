#![no_implicit_prelude]
#![deny(warnings)]

mod core {}
mod std {}
mod alloc {}
struct Daemon;
struct Result;
struct Duration;
struct IntoAction;
struct Clone;

#[::daemonic::repeat_daemon(every = "5s", missed = "delay", on_error = "continue", stop_signal = "INT")]
fn example(count: u8, context: ::daemonic::Context) {
    let _ = (count, context, Daemon, Result, Duration, IntoAction, Clone);
}

fn main() {
    let _ = example("no action", 3);
}
