//! Words of a unit file, escaped so that systemd reads them as they are.
//!
//! The rules are those of [systemd.syntax(7)](https://man7.org/linux/man-pages/man7/systemd.syntax.7.html) and, for
//! `ExecStart=`, [systemd.service(5)](https://man7.org/linux/man-pages/man5/systemd.service.5.html).

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
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

/// Reads back what [`program`] has escaped, from the beginning of a line.
pub(crate) fn read_program(line: &str) -> Option<PathBuf> {
    let word = match line.strip_prefix('"') {
        Some(rest) => rest.split_once('"')?.0,
        None => line.split(' ').next()?,
    };
    let word = word.replace("%%", "%");
    (!word.is_empty()).then(|| OsString::from_vec(word.into_bytes()).into())
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
    fn a_program_is_read_back_as_it_was() {
        for path in ["/usr/bin/example", "/opt/my programs/100% $x", "/opt/é"] {
            let text = format!("{} run \"a b\"", program(Path::new(path)).unwrap());
            assert_eq!(read_program(&text), Some(path.into()), "{text}");
        }
        for path in ["/opt/it's", "/opt/a\"b", "/opt/a\\b", "/opt/a\nb"] {
            assert!(program(Path::new(path)).is_err(), "{path}");
        }
    }
}
