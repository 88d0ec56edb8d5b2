//! Repeating daemons with a state that every run changes. Their log and pidfile are named by the environment.

use std::env;
use std::path::PathBuf;
use std::process::{self, ExitCode};

use daemonic::{Context, IntoAction, repeat_daemon};

/// Not `Clone`, as a connection or a guard.
struct State {
    runs: u32,
}

impl State {
    /// Takes the text, as a connection would take its address.
    fn made(text: String, steps: &[u32]) -> Result<Self, String> {
        println!("{}: {text} of {steps:?}", process::id());
        let text: Box<str> = text.into();
        if text.is_empty() { Err("no text".to_owned()) } else { Ok(Self { runs: 20 }) }
    }
}

fn path(key: &str) -> PathBuf {
    env::var_os(key).expect("a path").into()
}

#[repeat_daemon(
    name = "subject",
    every = "1ms",
    times = 3,
    pidfile = path("SUBJECT_PIDFILE"),
    stdout = path("SUBJECT_STDOUT")
)]
fn lent(state: &mut State) {
    state.runs += 1;
    println!("run {}", state.runs);
}

#[repeat_daemon(
    name = "subject",
    every = "1ms",
    times = 3,
    pidfile = path("SUBJECT_PIDFILE"),
    stdout = path("SUBJECT_STDOUT")
)]
fn lent_with_more(mut text: String, context: &Context, state: &mut State, steps: &[u32]) {
    state.runs += steps.iter().sum::<u32>();
    text.push('!');
    println!("{text} {} {}", state.runs, context.is_stopping());
}

#[repeat_daemon(
    name = "subject",
    every = "1ms",
    times = 3,
    pidfile = path("SUBJECT_PIDFILE"),
    stdout = path("SUBJECT_STDOUT"),
    setup = State::made(text, steps)
)]
fn made(context: &Context, state: &mut State, mut text: String, steps: &[u32], step: u32) {
    state.runs += steps.iter().sum::<u32>() + step;
    text.push('!');
    println!("{text} {} {}", state.runs, context.is_stopping());
}

#[repeat_daemon(
    name = "subject",
    every = "1ms",
    times = 3,
    pidfile = path("SUBJECT_PIDFILE"),
    stdout = path("SUBJECT_STDOUT"),
    setup = 5
)]
fn counted(number: &mut u32) {
    println!("{number}");
    *number += 1;
}

fn act(action: impl IntoAction) -> daemonic::Result {
    let mut state = State { runs: 10 };
    if let Some(text) = env::var_os("SUBJECT_SETUP") {
        let text = text.into_string().expect("text");
        return if text == "count" { counted(action) } else { made(action, text, &[1, 1], 3) };
    }
    match env::var_os("SUBJECT_MORE") {
        None => lent(action, &mut state),
        Some(text) => lent_with_more(action, text.into_string().expect("text"), &mut state, &[1, 1]),
    }
}

fn main() -> ExitCode {
    daemonic::report(act(env::args().nth(1)))
}
