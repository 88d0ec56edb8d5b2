#![deny(unused_imports)]

use std::time::Duration;

use daemonic::{Missed, OnError, Signal, daemon, repeat_daemon};

#[daemon(stop_timeot = Duration::from_secs(5), stop_signal = "SIGTERM", stop_signal = Signal::SIGINT)]
fn misspelt_and_twice() {}

#[daemon(missed = Missed::Burst)]
fn elsewhere() {}

#[repeat_daemon(on_error = OnError::Continue)]
fn without_a_period() {}

fn main() {
    let _ = misspelt_and_twice("start");
    let _ = elsewhere("start");
    let _ = without_a_period("start");
}
