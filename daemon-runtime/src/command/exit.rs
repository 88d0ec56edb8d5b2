//! How a process has ended.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal;

/// The way in which a failed daemon has ended.
///
/// # Examples
///
/// ```
/// use daemonic::Exit;
///
/// assert_eq!(Exit::Code(101).to_string(), "exit 101");
/// assert_eq!(Exit::Signal(11).to_string(), "killed by SIGSEGV");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It has exited with this code.
    Code(u8),
    /// The signal with this number has ended it.
    Signal(i32),
    /// The kernel has killed it because memory was short.
    OutOfMemory,
}

const OUT_OF_MEMORY: &str = "killed by the kernel: out of memory";

impl Exit {
    /// Reads what [`Display`](fmt::Display) has written at the beginning of a text, and returns the rest.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix(OUT_OF_MEMORY) {
            return Some((Self::OutOfMemory, rest));
        }
        if let Some(rest) = text.strip_prefix("exit ") {
            let (code, rest) = number(rest)?;
            return Some((Self::Code(code), rest));
        }
        let rest = text.strip_prefix("killed by ")?;
        if let Some(rest) = rest.strip_prefix("signal ") {
            let (signal, rest) = number(rest)?;
            return Some((Self::Signal(signal), rest));
        }
        let end = rest.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let signal: Signal = name.parse().ok()?;
        Some((Self::Signal(signal as i32), rest))
    }
}

/// Reads a number at the beginning of a text, and returns the rest.
fn number<T: FromStr>(text: &str) -> Option<(T, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
            Self::OutOfMemory => f.write_str(OUT_OF_MEMORY),
        }
    }
}
