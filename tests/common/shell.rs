//! A shell in a place of its own, which runs one line after the other.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::lines;

/// The longest time for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that reads lines of shell, and prints what they print, then `done` with the exit code. Dropping it closes its
/// input, at which it ends, and waits for that.
pub(crate) struct Shell {
    child: Child,
    words: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Shell {
    /// Starts it, and returns its first line.
    pub(crate) fn spawn(mut command: Command) -> (Self, Option<String>) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the shell runs");
        let (words, answers) = (child.stdin.take(), lines(child.stdout.take().expect("stdout")));
        let word = answers.recv_timeout(PATIENCE).ok();
        (Self { child, words, answers }, word)
    }

    /// Runs a line, and returns the exit code and the output.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> (i32, String) {
        assert!(!line.contains('\n'));
        writeln!(self.words.as_mut().expect("a stream"), "{line}").expect("it listens");
        let mut text = String::new();
        loop {
            let word = self.answers.recv_timeout(PATIENCE);
            let word = word.unwrap_or_else(|_| panic!("no end of {line:?}, so far {text:?}"));
            if let Some(code) = word.strip_prefix("done ") {
                return (code.parse().expect("a code"), text);
            }
            text += &word;
            text.push('\n');
        }
    }

    /// Runs a line that must succeed, and returns the output.
    #[track_caller]
    pub(crate) fn does(&mut self, line: &str) -> String {
        let (code, text) = self.run(line);
        assert_eq!(code, 0, "{line}: {text}");
        text
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        drop(self.words.take());
        let _ = self.child.wait();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.end();
    }
}
