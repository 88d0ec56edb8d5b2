//! A program whose `main` returns what the dispatcher returns.
//!
//! Its arguments are the pidfile and the action.

use std::env::args;

use daemonic::Daemon;

fn main() -> daemonic::Result {
    let pidfile = args().nth(1).expect("a pidfile");
    Daemon::new("result").pidfile(pidfile).dispatch(args().nth(2), || {})
}
