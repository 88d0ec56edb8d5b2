//! What every behaviour test stands on: the helper programs, and the processes that they become.
#![allow(dead_code, unused_imports, reason = "each test uses its own part of this")]

mod process;
mod programs;
pub mod strace;
mod subject;
pub mod torture;
pub mod way;

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use process::Process;
pub use programs::program;
pub use subject::{Answer, Conversation, Foreground, Locker, Subject, lines};

/// Waits until a condition holds, and fails if it doesn't within ten seconds.
#[track_caller]
pub fn wait_until(what: impl Display, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until there is something, and gives it.
#[track_caller]
pub fn wait_for<T>(what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Tells whether a test can have what it needs. If not, it says so aloud, and under CI it fails.
pub fn can_have(need: &str, there: bool) -> bool {
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this test needs {need}");
        eprintln!("skipped: this test needs {need}");
    }
    there
}

/// Tells whether the torture tests are to take their time: `DAEMONIC_TORTURE=long`.
pub fn is_long() -> bool {
    std::env::var("DAEMONIC_TORTURE").as_deref() == Ok("long")
}

pub fn is_root() -> bool {
    can_have("root", nix::unistd::geteuid().is_root())
}

/// Tells whether a tool works here.
pub fn has_tool(command: &[&str]) -> bool {
    let output = std::process::Command::new(command[0]).args(&command[1..]).output();
    can_have(&command.join(" "), output.is_ok_and(|output| output.status.success()))
}

pub fn has_strace() -> bool {
    has_tool(&["strace", "-f", "-o", "/dev/null", "true"])
}

/// The monotonic clock in nanoseconds, as the step `stamp` prints it.
pub fn now() -> u128 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock).map(Duration::from).expect("a clock").as_nanos()
}
