//! A crate that knows this one by another name, so that nothing is found by the usual one.

use std::time::Duration;

use services::{Context, daemon, repeat_daemon};

/// A crate of the company, which passes this one on.
mod company {
    pub(crate) use services as background;
}

#[daemon(crate = services, stop_signal = "SIGINT", pidfile = "/tmp/example.pid")]
fn direct(context: &Context) {
    while !context.wait(Duration::from_secs(1)) {}
}

#[repeat_daemon(crate = crate::company::background, every = "5s", missed = "burst", on_error = "stop")]
fn passed_on(_count: u8, context: &Context) {
    let _ = context.is_stopping();
}

#[daemon(crate = ::services)]
fn main() {
    drop(direct("no action"));
    drop(passed_on("no action", 3));
}
