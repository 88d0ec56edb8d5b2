//! The line on a terminal that says what an action waits for.
//!
//! It is for a person who would otherwise look at a terminal on which nothing happens. It has no escape codes: it is
//! rewritten after a carriage return, and cleared by spaces. So there is nothing that `NO_COLOR` could turn off.

use std::env;
use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::command::duration::Span;
use crate::command::escaped::Escaped;
use crate::sys::clock::now;
use crate::sys::descriptor::{is_writable, wait_readable};
use crate::sys::interrupted::uninterrupted;
use crate::sys::procfs;

/// The time that an action may take before it shows anything.
const QUIET_TIME: Duration = Duration::from_millis(500);

/// The shortest wait that is shown; a shorter one would only flicker.
const SHORTEST: Duration = Duration::from_millis(100);

/// The number of characters that fit on a line of every terminal.
const WIDTH: usize = 79;

/// An action's way to show what it waits for.
#[derive(Default)]
pub(crate) struct Progress {
    terminal: Option<Terminal>,
}

struct Terminal {
    name: String,
    /// The time before which the action shows nothing.
    quiet_until: Duration,
}

impl Progress {
    /// Begins an action that shows nothing, such as a library call.
    pub(crate) fn silent() -> Self {
        Self::default()
    }

    /// Begins an action that shows what it waits for if standard error is a terminal on which a line can be rewritten.
    pub(crate) fn on_terminal(name: &str) -> Self {
        let can_rewrite = stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let terminal = || Terminal { name: name.to_owned(), quiet_until: now() + QUIET_TIME };
        Self { terminal: can_rewrite.then(terminal) }
    }

    /// Begins a wait for something, such as `pid 42 to exit`.
    pub(crate) fn wait_for(&self, what: fmt::Arguments<'_>, end: End) -> Waiting<'_> {
        let (terminal, begin) = (self.terminal.as_ref(), now());
        let mut waiting =
            Waiting { terminal, what: String::new(), begin, end, next: begin + SHORTEST, width: 0 };
        waiting.go_on(what);
        waiting
    }
}

/// The end of a wait, on the monotonic clock.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// The time at which the wait ends at the latest.
    By(Option<Duration>),
    /// The time at which SIGKILL is sent.
    Kill(Option<Duration>),
}

/// A wait that is shown on the terminal. Dropping it clears the line.
pub(crate) struct Waiting<'a> {
    terminal: Option<&'a Terminal>,
    what: String,
    begin: Duration,
    end: End,
    /// When the line must be written again.
    next: Duration,
    /// The number of characters on the terminal.
    width: usize,
}

impl Waiting<'_> {
    /// Waits for something else from now on.
    pub(crate) fn go_on(&mut self, what: fmt::Arguments<'_>) {
        if let Some(terminal) = self.terminal {
            self.what = format!("{}: waiting for {what}", terminal.name);
        }
    }

    /// Writes the line if it is due. Returns how long the caller may sleep before it calls this again.
    pub(crate) fn tick(&mut self) -> Option<Duration> {
        let (terminal, now) = (self.terminal?, now());
        let due = terminal.quiet_until.max(self.next);
        if now < due {
            return Some(due.saturating_sub(now));
        }
        let (time, until_change) = self.time(now);
        self.next = now + until_change;
        self.write(&format!("{} ({time})", self.what));
        Some(until_change)
    }

    /// Returns the time as it is shown, and how long the text stays correct.
    fn time(&self, now: Duration) -> (String, Duration) {
        const SECOND: Duration = Duration::from_secs(1);
        let whole = |time: Duration| Duration::from_secs(time.as_secs());
        let (end, then) = match self.end {
            End::By(end) => (end, ""),
            End::Kill(end) => (end, " before SIGKILL"),
        };
        let Some(end) = end else {
            let waited = now.saturating_sub(self.begin);
            let until_change = (whole(waited) + SECOND).saturating_sub(waited);
            return (format!("{} so far", Span(whole(waited))), until_change);
        };
        // Rounded up.
        let left = end.saturating_sub(now);
        let fraction = left.saturating_sub(whole(left));
        let (shown, until_change) =
            if fraction.is_zero() { (left, SECOND) } else { (whole(left) + SECOND, fraction) };
        (format!("{} left{then}", Span(shown)), until_change)
    }

    /// Shows the wait until a descriptor has something to read. Returns at once if nothing is to be shown.
    pub(crate) fn until_readable(&mut self, fd: BorrowedFd<'_>) {
        while let Some(pause) = self.tick() {
            match uninterrupted(|| wait_readable([Some(fd)], Some(pause))) {
                Ok([false]) => {}
                Ok([true]) | Err(_) => break,
            }
        }
    }

    /// Overwrites the line. A terminal that accepts no more output, or that another job uses, is left alone.
    fn write(&mut self, text: &str) {
        let stderr = stderr();
        if procfs::is_background_job() || !is_writable(&stderr) {
            return;
        }
        let text: String = Escaped(text).to_string().chars().take(WIDTH).collect();
        let width = text.chars().count();
        let before = self.width;
        // One write, since stderr has no buffer.
        let line = if width == 0 { format!("\r{:before$}\r", "") } else { format!("\r{text:before$}") };
        let _ = stderr.lock().write_all(line.as_bytes());
        self.width = width;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.width > 0 {
            self.write("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_rounded_up_and_changes_with_the_second() {
        let progress = Progress::silent();
        let at = Duration::from_millis;
        let waiting = |end| {
            let mut waiting = progress.wait_for(format_args!("it"), end);
            waiting.begin = at(1000);
            waiting
        };
        let kill = waiting(End::Kill(Some(at(10_000))));
        assert_eq!(kill.time(at(2000)), ("8s left before SIGKILL".into(), at(1000)));
        assert_eq!(kill.time(at(2100)), ("8s left before SIGKILL".into(), at(900)));
        assert_eq!(kill.time(at(20_000)), ("0s left before SIGKILL".into(), at(1000)));
        assert_eq!(waiting(End::By(Some(at(100_000)))).time(at(1000)), ("1m 39s left".into(), at(1000)));
        assert_eq!(waiting(End::By(None)).time(at(4200)), ("3s so far".into(), at(800)));
    }

    #[test]
    fn a_silent_wait_needs_no_pauses() {
        let progress = Progress::silent();
        assert_eq!(progress.wait_for(format_args!("it"), End::By(None)).tick(), None);
    }
}
