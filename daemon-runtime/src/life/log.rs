//! What a daemon reports about itself: a line of its log, or an event of `tracing`.
//!
//! A line has the time, the level, the name of the daemon, and a text:
//!
//! ```text
//! 2026-11-27T04:35:16.123Z WARN courier: respawning in 1s: killed by SIGKILL
//! ```
//!
//! With the feature `tracing`, a notice becomes an event if the thread has a subscriber. A signal handler and the
//! supervisor write lines only. A subscriber allocates and takes locks, which a handler must not do, and it is the
//! user's code, which may start threads and so must not run in a supervisor.

use std::fmt;
use std::io::{self, Write as _};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::write;

use crate::command::timestamp::Timestamp;
use crate::life::event;
use crate::life::notice::{Level, Notice};
use crate::sys::descriptor::is_writable;
use crate::sys::mask;

/// Reports a notice from the process of the body: by an event if this thread has a subscriber, otherwise by a line.
pub(crate) fn report(name: &str, notice: Notice<'_>) {
    if !event::emit(name, notice) {
        let mut line = String::new();
        // One write, since stderr has no buffer and other processes may write to it too.
        if compose(&mut line, name, notice).is_ok() {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Writes a notice as a line, without allocating and without waiting for the reader of a pipe. Async-signal-safe.
pub(crate) fn write_at_once(name: &str, notice: Notice<'_>) {
    let mut line = Line { bytes: [0; LONGEST_AT_ONCE], length: 0 };
    if compose(&mut line, name, notice).is_ok() {
        line.flush();
    }
}

/// Composes the line of a notice, or nothing if its level is too low for a line.
fn compose(line: &mut impl fmt::Write, name: &str, notice: Notice<'_>) -> fmt::Result {
    let level = notice.level();
    if level < Level::Info {
        return Ok(());
    }
    writeln!(line, "{} {level} {name}: {notice}", Timestamp::of(SystemTime::now()).as_str())
}

/// The longest text that is written by one call. A handler's stack may be small.
const LONGEST_AT_ONCE: usize = 512;

/// A line that is written to stderr. One that is too long for its buffer is written in parts.
struct Line {
    bytes: [u8; LONGEST_AT_ONCE],
    length: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            let room = &mut self.bytes[self.length..];
            let (fits, more) = rest.split_at(rest.len().min(room.len()));
            room[..fits.len()].copy_from_slice(fits);
            self.length += fits.len();
            rest = more;
        }
        Ok(())
    }
}

impl Line {
    fn flush(&mut self) {
        let text = &self.bytes[..self.length];
        let is_too_long =
            !text.is_empty() && is_writable(io::stderr()) && write(io::stderr(), text) == Err(Errno::EFBIG);
        if is_too_long {
            // The limit on the size of files also raises a signal, which would end the daemon. It is blocked here.
            mask::take_back(Signal::SIGXFSZ);
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(notice: Notice<'_>) -> String {
        let mut line = String::new();
        compose(&mut line, "courier", notice).unwrap();
        line
    }

    #[test]
    fn a_line_has_time_level_name_and_text() {
        let line = line(Notice::Stopping { signal: Signal::SIGTERM });
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-11-27T04:35:16.123Z".len());
        assert!(time.ends_with('Z'));
        assert_eq!(rest, "INFO courier: stopping (SIGTERM)\n");
    }

    #[test]
    fn a_notice_of_a_low_level_has_no_line() {
        let behind = Duration::new(1, 500_123_456);
        let skipped = |is_first| line(Notice::RunsSkipped { count: 2, behind, is_first });
        let text = "WARN courier: 2 runs are skipped: the run before ended 1s 500ms after it was due\n";
        assert!(skipped(true).ends_with(text));
        assert_eq!(skipped(false), "");
        assert_eq!(line(Notice::RunLate { late: behind }), "");
    }
}
