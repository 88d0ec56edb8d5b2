//! The last lines of a file.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// The number of bytes that are read at once.
pub(crate) const BLOCK: usize = 64 * 1024;

/// Returns where the last lines before `end` begin. A last line without a newline counts as one.
///
/// The file is read backwards, so its size does not matter.
pub(crate) fn start_of_last_lines(file: &File, end: u64, lines: usize) -> io::Result<u64> {
    let (mut block, mut position, mut left) = (vec![0; BLOCK], end, lines);
    if lines == 0 {
        return Ok(end);
    }
    while position > 0 {
        let length = usize::try_from(position).map_or(BLOCK, |position| position.min(BLOCK));
        let block = &mut block[..length];
        position -= length as u64;
        match file.read_exact_at(block, position) {
            Ok(()) => {}
            // The file has been truncated meanwhile, so its lines are new.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
        let mut rest = block.len();
        while let Some(index) = block[..rest].iter().rposition(|byte| *byte == b'\n') {
            let after = position + index as u64 + 1;
            // The last newline ends a line and begins none.
            if after != end {
                left -= 1;
                if left == 0 {
                    return Ok(after);
                }
            }
            rest = index;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn last_lines(text: &[u8], lines: usize) -> Vec<u8> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("daemonic-tail-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let start = start_of_last_lines(&file, text.len() as u64, lines).unwrap();
        text[usize::try_from(start).unwrap()..].to_vec()
    }

    #[test]
    fn the_last_lines_are_counted_with_one_that_has_no_end() {
        let text = b"one\ntwo\nthree\n";
        for (lines, expected) in [(0, ""), (1, "three\n"), (2, "two\nthree\n"), (3, "one\ntwo\nthree\n")] {
            assert_eq!(last_lines(text, lines), expected.as_bytes(), "{lines}");
        }
        assert_eq!(last_lines(text, usize::MAX), text);
        assert_eq!(last_lines(b"one\ntwo", 1), b"two");
        assert_eq!(last_lines(b"\n\n", 1), b"\n");
        assert_eq!(last_lines(b"", 9), b"");
    }

    #[test]
    fn lines_may_be_longer_than_a_block_or_end_at_its_edge() {
        for length in [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let long = [vec![b'x'; length], b"\n".to_vec()].concat();
            let text = [b"first\n".to_vec(), long.clone(), long.clone()].concat();
            assert_eq!(last_lines(&text, 1), long, "{length}");
            assert_eq!(last_lines(&text, 2), [long.clone(), long.clone()].concat(), "{length}");
            assert_eq!(last_lines(&text, 3), text, "{length}");
        }
    }
}
