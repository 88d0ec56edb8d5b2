//! Words of a unit file, escaped so that systemd reads them as they are.
//!
//! The rules are those of [systemd.syntax(7)](https://man7.org/linux/man-pages/man7/systemd.syntax.7.html) and, for
//! `ExecStart=`, [systemd.service(5)](https://man7.org/linux/man-pages/man5/systemd.service.5.html).

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::str;

use crate::command::error::{Error, Result};

/// Escapes an argument in `ExecStart=`.
pub(crate) fn argument(word: &OsStr) -> String {
    quoted(word, Dollar::Variable)
}

/// Escapes the program in `ExecStart=`.
///
/// # Errors
///
/// Fails if systemd refuses such a path, however it is escaped.
pub(crate) fn program(path: &Path) -> Result<String> {
    let is_refused = |byte: &u8| byte.is_ascii_control() || b"\"'\\".contains(byte);
    if path.as_os_str().as_bytes().iter().any(is_refused) || path.to_str().is_none() {
        return Err(Error::failed(format_args!(
            "systemd starts no program whose path has a quotation mark, a backslash, a control character or a byte \
             that is not UTF-8, as in \"{}\"; move the program",
            path.display().to_string().escape_debug()
        )));
    }
    Ok(quoted(path.as_os_str(), Dollar::Plain))
}

/// Reads back what [`program`] and [`argument`] have escaped: the words of a command line.
///
/// Returns `None` if the line is not one that these have made.
pub(crate) fn read_words(line: &str) -> Option<Vec<OsString>> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        // Only arguments have variables, whose sign they double.
        let dollar = if words.is_empty() { Dollar::Plain } else { Dollar::Variable };
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted, dollar)?
        } else {
            let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            (word.into(), after)
        };
        words.push(word);
        rest = after.strip_prefix(' ').or_else(|| after.is_empty().then_some(""))?;
    }
    Some(words)
}

/// Reads a word up to its closing quotation mark. Returns it with what follows.
fn unquoted(text: &str, dollar: Dollar) -> Option<(OsString, &str)> {
    let mut word = Vec::new();
    let mut letters = text.chars();
    loop {
        let letter = match letters.next()? {
            '"' => return Some((OsString::from_vec(word), letters.as_str())),
            '\\' => match letters.next()? {
                'x' => {
                    let digits = letters.as_str().get(..2)?;
                    word.push(u8::from_str_radix(digits, 16).ok()?);
                    letters = letters.as_str()[2..].chars();
                    continue;
                }
                letter => letter,
            },
            '%' => letters.next().filter(|next| *next == '%')?,
            '$' if dollar == Dollar::Variable => letters.next().filter(|next| *next == '$')?,
            letter => letter,
        };
        word.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Escapes a path in a list of paths.
///
/// # Errors
///
/// Fails if a unit cannot have such a path. The key is for the message.
pub(crate) fn path_in_list(key: &str, path: &Path) -> Result<String> {
    check(key, path)?;
    // systemd reads `\"` and `\\` in a quoted path, and no other escape.
    let text = quoted(path.as_os_str(), Dollar::Plain);
    Ok(text)
}

/// Escapes a path that is the rest of its line, where systemd reads no quotation marks.
///
/// # Errors
///
/// Fails if a unit cannot have such a path. The key is for the message.
pub(crate) fn path_to_line_end(key: &str, path: &Path) -> Result<String> {
    check(key, path)?;
    Ok(text(path.to_str().unwrap_or_default()))
}

/// Escapes text that is the rest of its line, without control characters.
pub(crate) fn text(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect::<String>()
        .replace('%', "%%")
}

fn check(key: &str, path: &Path) -> Result<()> {
    let bytes = path.as_os_str().as_bytes();
    let is_cut = bytes.last().is_some_and(|byte| b" \\".contains(byte));
    if bytes.iter().any(u8::is_ascii_control) || is_cut || path.to_str().is_none() {
        return Err(Error::failed(format_args!(
            "a unit cannot have the path \"{}\" of the key `{key}`: it has a control character or a byte that is \
             not UTF-8, or ends in a space or a backslash",
            path.display().to_string().escape_debug()
        )));
    }
    Ok(())
}

/// What a dollar sign begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dollar {
    Variable,
    Plain,
}

/// Quotes a word, unless it consists of letters, digits and a few harmless signs.
fn quoted(word: &OsStr, dollar: Dollar) -> String {
    let bytes = word.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:,=@".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => text.extend(['\\', letter]),
                '%' => text.push_str("%%"),
                '$' if dollar == Dollar::Variable => text.push_str("$$"),
                // Only control characters of ASCII are one byte long.
                letter if letter.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(letter));
                }
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_if_it_must_be() {
        let escaped = |word: &str| argument(OsStr::new(word));
        assert_eq!(escaped("--port=8080"), "--port=8080");
        assert_eq!(escaped(""), r#""""#);
        assert_eq!(escaped(r#"100% of $HOME "a\b""#), r#""100%% of $$HOME \"a\\b\"""#);
        assert_eq!(escaped("two\nlines"), r#""two\x0alines""#);
        assert_eq!(escaped(";"), r#"";""#);
        assert_eq!(argument(OsStr::from_bytes(b"\xff\xc3\xa9")), "\"\\xffé\"");
    }

    #[test]
    fn a_command_line_is_read_back_as_it_was() {
        for path in ["/usr/bin/example", "/opt/my programs/100% $x", "/opt/é"] {
            let words = ["run", "a b", "", "100% of $HOME \"a\\b\"", "two\nlines", ";", "é", "x=1"];
            let escaped: Vec<_> = words.iter().map(|word| argument(OsStr::new(word))).collect();
            let text = format!("{} {}", program(Path::new(path)).unwrap(), escaped.join(" "));
            let expected: Vec<_> = [path].iter().chain(&words).map(OsString::from).collect();
            assert_eq!(read_words(&text), Some(expected), "{text}");
        }
        assert_eq!(read_words(r#"/bin/true "\xff""#).unwrap()[1], OsStr::from_bytes(b"\xff"));
        for line in [
            "\"/bin/true",
            "/bin/true \"a\"b",
            "/bin/true \"%h\"",
            "/bin/true \"$HOME\"",
            "/bin/true \"\\x1\"",
        ] {
            assert_eq!(read_words(line), None, "{line}");
        }
        for path in ["/opt/it's", "/opt/a\"b", "/opt/a\\b", "/opt/a\nb"] {
            assert!(program(Path::new(path)).is_err(), "{path}");
        }
    }
}
