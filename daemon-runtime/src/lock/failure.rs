//! The reason why a daemon has died, as the second line of the pidfile that it leaves behind.
//!
//! The file then reads, for example:
//!
//! ```text
//! 42
//! failed 1764205200 exit 101: panicked at src/main.rs:12: index out of bounds
//! ```
//!
//! A text of any other shape is never shown, because any program may have written it.

use std::fmt;
use std::time::{Duration, SystemTime};

pub(crate) use crate::command::exit::Exit;

/// The longest text of a pidfile with a reason, in bytes.
pub(crate) const LONGEST: usize = 512;

/// The longest message in a pidfile, in bytes. The text before it is shorter than 100 bytes.
const LONGEST_MESSAGE: usize = 400;

/// The end of a message that was cut off.
const ELLIPSIS: &str = "…";

/// The death of a daemon that had been ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The time of the death. The pidfile has it in whole seconds.
    pub(crate) at: SystemTime,
    pub(crate) exit: Exit,
    pub(crate) message: Option<String>,
}

impl Failure {
    /// Makes a failure with the present time.
    pub(crate) fn now(exit: Exit, message: Option<String>) -> Self {
        Self { at: SystemTime::now(), exit, message }
    }

    /// Returns how long ago this was, in whole seconds. A time in the future counts as now.
    pub(crate) fn ago(&self) -> Duration {
        let elapsed = self.at.elapsed().unwrap_or_default();
        Duration::from_secs(elapsed.as_secs())
    }

    /// Returns whether the death may have come after a moment. Its time is known in whole seconds only.
    #[cfg(feature = "service")]
    pub(crate) fn is_since(&self, moment: SystemTime) -> bool {
        self.at.checked_add(Duration::from_secs(1)).is_none_or(|end| end > moment)
    }

    /// Returns the text of the pidfile that the process with this PID leaves.
    pub(crate) fn encode(&self, pid: i32) -> String {
        let seconds = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let message = printable(self.message.as_deref().unwrap_or_default());
        let gap = if message.is_empty() { "" } else { ": " };
        format!("{pid}\nfailed {seconds} {}{gap}{message}\n", self.exit)
    }

    /// Reads the text of a pidfile. Returns `None` unless [`encode`](Self::encode) would have written exactly this.
    pub(crate) fn decode(text: &[u8]) -> Option<Self> {
        let (first, second) = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.split_once('\n')?;
        let pid = first.parse().ok().filter(|pid| *pid > 0)?;
        let (seconds, exit) = second.strip_prefix("failed ")?.split_once(' ')?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
        let (exit, rest) = Exit::parse(exit)?;
        let message = if rest.is_empty() { None } else { Some(rest.strip_prefix(": ")?.to_owned()) };
        let failure = Self { at, exit, message };
        (failure.encode(pid).as_bytes() == text).then_some(failure)
    }
}

/// Describes the death in one line: `exit 101: panicked at src/main.rs:12: index out of bounds`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exit.fmt(f)?;
        self.message.iter().try_for_each(|message| write!(f, ": {}", printable(message)))
    }
}

/// Returns a message as one line of bounded length that a terminal shows as it is.
fn printable(message: &str) -> String {
    let mut line = String::new();
    for char in message.trim().chars() {
        if is_unprintable(char) {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
        if line.len() > LONGEST_MESSAGE {
            line.truncate(floor_char_boundary(&line, LONGEST_MESSAGE - ELLIPSIS.len()));
            line.push_str(ELLIPSIS);
            break;
        }
    }
    line
}

/// Returns the last boundary between characters that is not after `index`.
fn floor_char_boundary(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// Returns whether a character controls a terminal, ends a line, or changes the direction of the text.
fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(exit: Exit, message: Option<&str>) -> Failure {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_205_200);
        Failure { at, exit, message: message.map(str::to_owned) }
    }

    #[test]
    fn a_failure_is_one_line_after_the_pid() {
        let message = "panicked at src/main.rs:12: index out of bounds";
        assert_eq!(
            failure(Exit::Code(101), Some(message)).encode(42),
            format!("42\nfailed 1764205200 exit 101: {message}\n")
        );
        assert_eq!(failure(Exit::Code(3), None).encode(1), "1\nfailed 1764205200 exit 3\n");
    }

    #[cfg(feature = "service")]
    #[test]
    fn a_failure_is_since_a_moment_of_its_own_second() {
        let failure = failure(Exit::Code(1), None);
        for (milliseconds, is_since) in [(0, true), (990, true), (1000, false)] {
            assert_eq!(failure.is_since(failure.at + Duration::from_millis(milliseconds)), is_since);
        }
    }

    #[cfg(feature = "service")]
    #[test]
    fn a_failure_at_the_end_of_all_time_is_since_every_moment() {
        let last = Failure::decode(b"42\nfailed 9223372036854775807 exit 1\n").unwrap();
        assert!(last.is_since(SystemTime::now()));
        assert_eq!(last.ago(), Duration::ZERO);
    }

    #[test]
    fn what_is_written_can_be_read() {
        for exit in [Exit::Code(0), Exit::Code(255), Exit::Signal(11), Exit::Signal(40), Exit::OutOfMemory] {
            for message in [None, Some("the disk: full"), Some("ü\u{1F4A5} (exit 7): x")] {
                let failure = failure(exit, message);
                assert_eq!(Failure::decode(failure.encode(42).as_bytes()), Some(failure));
            }
        }
    }

    #[test]
    fn a_message_is_escaped_and_bounded() {
        let hostile = failure(Exit::Code(1), Some("\u{1b}[2Ja\nb\r\u{202e}c\0"));
        let text = hostile.encode(42);
        assert_eq!(text, "42\nfailed 1764205200 exit 1: \\u{1b}[2Ja\\nb\\r\\u{202e}c\\u{0}\n");
        assert!(Failure::decode(text.as_bytes()).is_some());
        for filler in ["x", "ü", "\u{1F4A5}", "\u{1b}", "\n.", " x"] {
            for shift in 0..4 {
                let long = format!("{}{}", "y".repeat(shift), filler.repeat(1000));
                let text = failure(Exit::OutOfMemory, Some(&long)).encode(i32::MAX);
                assert!(text.len() <= LONGEST, "{}", text.len());
                assert!(text.ends_with("…\n"));
                assert!(Failure::decode(text.as_bytes()).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn a_text_of_another_shape_is_no_failure() {
        for text in [
            "",
            "42",
            "42\n",
            "42\n\n",
            "42\nfailed\n",
            "42\nfailed 1764205200\n",
            "42\nfailed 1764205200 exit 101",
            "42\nfailed 1764205200 exit 101\n\n",
            "42\nfailed 1764205200 exit 101\nmore\n",
            "42\nfailed 1764205200 exit 256\n",
            "42\nfailed 1764205200 exit 007\n",
            "42\nfailed 1764205200 exit 1:x\n",
            "42\nfailed 1764205200 exit 1: \n",
            "42\nfailed 1764205200 exit 1: \u{1b}[2J\n",
            "42\nfailed 1764205200 exit 1: \u{202e}x\n",
            "42\nfailed 1764205200 killed by SIGNONE\n",
            "42\nfailed 1764205200 killed by signal 11\n",
            "42\nfailed -1 exit 1\n",
            "42\nfailed +1 exit 1\n",
            "42\nfailed 99999999999999999999 exit 1\n",
            "0\nfailed 1764205200 exit 1\n",
            "+42\nfailed 1764205200 exit 1\n",
            "x\nfailed 1764205200 exit 1\n",
            "failed 1764205200 exit 1\n",
        ] {
            assert_eq!(Failure::decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Failure::decode(b"42\nfailed 1764205200 exit 1: \xff\n"), None);
        let long = format!("42\nfailed 1764205200 exit 1: {}\n", "x".repeat(LONGEST_MESSAGE + 1));
        assert_eq!(Failure::decode(long.as_bytes()), None);
    }

    #[test]
    fn a_time_in_the_future_is_now() {
        let at = SystemTime::now() + Duration::from_secs(3_600);
        assert_eq!(Failure { at, ..failure(Exit::Code(1), None) }.ago(), Duration::ZERO);
    }
}
