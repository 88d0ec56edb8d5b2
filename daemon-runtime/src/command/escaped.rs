//! Text of another process, which is shown without its control characters.

use std::fmt::{self, Write};

/// Text that is shown with its control characters escaped, so that it cannot control a terminal.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_safe(character) {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Returns whether a character neither controls a terminal, nor ends the line, nor changes the direction of the text.
fn is_safe(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            Escaped("a \t\u{1b}[1m\u{7f}\u{9b}é\u{202e}").to_string(),
            "a \\t\\u{1b}[1m\\u{7f}\\u{9b}é\\u{202e}"
        );
    }
}
