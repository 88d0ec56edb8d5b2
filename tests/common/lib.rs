//! What the tests share: the helper programs, the processes that they become, and the tools that
//! watch them.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::return_self_not_must_use,
    reason = "this is a library for one reader: the tests"
)]

pub mod async_programs;
pub mod faketime;
pub mod machine;
pub mod notice;
pub mod notify_socket;
mod process;
mod programs;
pub mod published;
pub mod record;
mod shell;
pub mod shim;
pub mod strace;
mod subject;
pub mod systemd;
pub mod torture;
pub mod way;

use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use process::Process;
pub use programs::{
    build, library, program, program_with, service_subject, static_program, static_program_of,
    static_program_with,
};
pub use subject::{Answer, Conversation, Foreground, Locker, Subject, lines};

/// Returns the directory of the whole workspace.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a directory above tests/")
}

/// Waits until a condition holds, and fails after ten seconds.
#[track_caller]
pub fn wait_until(what: impl Display, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until there is a value, and returns it. Fails after ten seconds.
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

/// Returns whether a test can run. If not, prints that it is skipped and why.
///
/// # Panics
///
/// Where `CI=true`, a test that cannot run fails.
pub fn available_or_skip(need: &str, is_available: bool) -> bool {
    if !is_available {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this test needs {need}");
        torture::say(format_args!("skipped: this test needs {need}"));
    }
    is_available
}

/// Returns whether this process is root. If not, the test is skipped, as in [`available_or_skip`].
pub fn root_or_skip() -> bool {
    available_or_skip("root", nix::unistd::geteuid().is_root())
}

/// Returns whether a command succeeds. If not, the test is skipped, as in [`available_or_skip`].
pub fn tool_or_skip(command: &[&str]) -> bool {
    let output = Command::new(command[0]).args(&command[1..]).output();
    available_or_skip(&command.join(" "), output.is_ok_and(|output| output.status.success()))
}

/// Returns whether strace works. If not, the test is skipped, as in [`available_or_skip`].
pub fn strace_or_skip() -> bool {
    tool_or_skip(&["strace", "-f", "-o", "/dev/null", "true"])
}

/// Returns whether the torture tests run at length: `DAEMONIC_TORTURE=long`.
pub fn is_long() -> bool {
    std::env::var("DAEMONIC_TORTURE").as_deref() == Ok("long")
}

/// Reads the monotonic clock in nanoseconds, as the step `stamp` prints it.
pub fn now() -> u128 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock).map(Duration::from).expect("a clock").as_nanos()
}
