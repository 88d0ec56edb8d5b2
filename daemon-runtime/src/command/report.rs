//! The report of a daemon about its body, as a line of text.
//!
//! A line such as `daemonic 1 state=running body=57 body_ms=5000 respawns=2 last_ms=7000 last=exit 101: panicked` has
//! the version of the format, then keys with values. The last end was `last_ms` ago, at `last_at_ms` milliseconds since
//! 1970. The value of `last` or `error` is the rest of the line. A reader ignores a key that it does not know.
//!
//! The key `takes_reloads` says that the body has asked for reloads before, and `reloading` that it is at one. The
//! answer to a reload is a report with `reload_ns`: the time on the monotonic clock at which the body has taken the
//! reload. With `error`, the reload has failed.
//!
//! A repeating daemon reports its runs by `runs`, `failures`, and `last_run_ms` and `next_run_ms`, in milliseconds
//! since 1970. The answer to a request for a run has `ran`, its exit code, and after a failure `error`.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use crate::command::duration::Span;
use crate::command::escaped::Escaped;

/// The longest line that is sent. A reader accepts up to [`LONGEST_READ`].
const LONGEST: usize = 1024;
/// The longest line that is read.
pub(crate) const LONGEST_READ: usize = 4096;
const VERSION: &str = "daemonic 1";
/// The keys whose value is the rest of the line.
const LAST: &str = " last=";
const ERROR: &str = " error=";

/// What a daemon reports about its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report<'a> {
    pub(crate) state: Phase,
    pub(crate) body: Option<BodyProcess>,
    /// How often the body has been respawned.
    pub(crate) respawns: u32,
    /// The time until the body is respawned.
    pub(crate) due: Option<Duration>,
    pub(crate) last: Option<LastExit<'a>>,
    /// Whether the body has asked for reloads, so that an answer may come.
    pub(crate) takes_reloads: bool,
    /// Whether the body has taken a reload that it has not answered yet.
    pub(crate) is_reloading: bool,
    /// The answer to a reload, in a report that is one.
    pub(crate) reloaded: Option<Reloaded<'a>>,
    /// The runs of a repeating daemon.
    pub(crate) runs: Option<Runs>,
    /// The end of a run that was asked for, in a report that is the answer.
    pub(crate) ran: Option<Ran<'a>>,
}

/// The runs of a repeating daemon, since the process of its body began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// The number of runs that have ended.
    pub(crate) ended: u64,
    /// The number of those that have failed.
    pub(crate) failed: u64,
    /// The time at which the last run began, since 1970.
    pub(crate) last: Option<Duration>,
    /// The time at which the next run is due, since 1970, if it follows from the daemon's start.
    pub(crate) next: Option<Duration>,
}

impl Runs {
    /// Writes a whole line that reports only the runs. This needs less stack than a [`Report`], for a handler.
    pub(crate) fn write_line(self, line: &mut impl Write) -> fmt::Result {
        write!(line, "{VERSION} state=running")?;
        self.write(line)?;
        line.write_str("\n")
    }

    fn write(self, line: &mut impl Write) -> fmt::Result {
        write!(line, " runs={} failures={}", self.ended, self.failed)?;
        for (key, time) in [("last_run_ms", self.last), ("next_run_ms", self.next)] {
            if let Some(time) = time {
                write!(line, " {key}={}", time.as_millis())?;
            }
        }
        Ok(())
    }
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran<'a> {
    pub(crate) code: u8,
    /// The text of the error or of the panic.
    pub(crate) error: Option<Cow<'a, str>>,
}

/// The answer of a body to a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reloaded<'a> {
    /// The time at which the body has taken the reload, on the monotonic clock.
    pub(crate) at: Duration,
    /// Why the reload has failed.
    pub(crate) error: Option<Cow<'a, str>>,
}

/// The phase of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The body is not ready yet.
    Starting,
    Running,
    /// The body has ended, and will be respawned.
    Waiting,
    Stopping,
}

/// The process in which the body runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyProcess {
    pub(crate) pid: u32,
    pub(crate) age: Duration,
}

/// The body's last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastExit<'a> {
    pub(crate) ago: Duration,
    /// The time since 1970. None from a daemon of an earlier version.
    pub(crate) at: Option<Duration>,
    /// The reason, such as `exit 101: panicked at src/main.rs:12`.
    pub(crate) reason: Cow<'a, str>,
}

/// A line in a buffer of fixed size. A longer line is cut off.
pub(crate) struct Line {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Line {
    /// Returns the line with its newline.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte is for the newline.
        let room = LONGEST - 1 - self.length;
        let fits = (0..=room.min(text.len())).rev().find(|cut| text.is_char_boundary(*cut)).unwrap_or(0);
        self.bytes[self.length..self.length + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

const PHASES: [(Phase, &str); 4] = [
    (Phase::Starting, "starting"),
    (Phase::Running, "running"),
    (Phase::Waiting, "waiting"),
    (Phase::Stopping, "stopping"),
];

impl<'a> Report<'a> {
    /// Makes a report that contains only a phase.
    pub(crate) const fn new(state: Phase) -> Self {
        Self {
            state,
            body: None,
            respawns: 0,
            due: None,
            last: None,
            takes_reloads: false,
            is_reloading: false,
            reloaded: None,
            runs: None,
            ran: None,
        }
    }

    /// Writes the line, without allocating.
    pub(crate) fn encode(&self) -> Line {
        let mut line = Line { bytes: [0; LONGEST], length: 0 };
        // An error means that the line is full.
        let _ = self.write(&mut line);
        line.bytes[line.length] = b'\n';
        line.length += 1;
        line
    }

    fn write(&self, line: &mut Line) -> fmt::Result {
        let state = PHASES.iter().find(|(phase, _)| *phase == self.state).map_or("", |(_, word)| word);
        write!(line, "{VERSION} state={state}")?;
        if let Some(BodyProcess { pid, age }) = self.body {
            write!(line, " body={pid} body_ms={}", age.as_millis())?;
        }
        write!(line, " respawns={}", self.respawns)?;
        if let Some(due) = self.due {
            write!(line, " due_ms={}", due.as_millis())?;
        }
        if self.takes_reloads {
            line.write_str(" takes_reloads=1")?;
        }
        if self.is_reloading {
            line.write_str(" reloading=1")?;
        }
        if let Some(runs) = self.runs {
            runs.write(line)?;
        }
        if let Some(Ran { code, error }) = &self.ran {
            write!(line, " ran={code}")?;
            if let Some(error) = error {
                return write!(line, "{ERROR}{}", Escaped(error));
            }
        }
        if let Some(Reloaded { at, error }) = &self.reloaded {
            write!(line, " reload_ns={}", at.as_nanos())?;
            if let Some(error) = error {
                return write!(line, "{ERROR}{}", Escaped(error));
            }
        }
        if let Some(LastExit { ago, at, reason }) = &self.last {
            write!(line, " last_ms={}", ago.as_millis())?;
            if let Some(at) = at {
                write!(line, " last_at_ms={}", at.as_millis())?;
            }
            write!(line, "{LAST}{}", Escaped(reason))?;
        }
        Ok(())
    }

    /// Reads a line without its newline. Returns `None` if the line is not a report of this version.
    pub(crate) fn decode(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix(VERSION)?.strip_prefix(' ')?;
        // The first of these keys counts, because the text may contain the other.
        let text = [LAST, ERROR].into_iter().filter_map(|key| rest.find(key).map(|at| (at, key))).min();
        let (fields, key, text) =
            text.map_or((rest, "", ""), |(at, key)| (&rest[..at], key, &rest[at + key.len()..]));
        let text_of = |wanted| (key == wanted).then_some(Cow::Borrowed(text));
        let field = |key: &str| {
            fields
                .split(' ')
                .find_map(|field| field.split_once('=').filter(|(name, _)| *name == key))
                .map(|(_, value)| value)
        };
        let millis = |key| field(key).and_then(|value| value.parse().ok()).map(Duration::from_millis);
        let count = |key| field(key).and_then(|value| value.parse::<u64>().ok());
        let word = field("state")?;
        let (state, _) = PHASES.iter().find(|(_, known)| *known == word)?;
        let body = field("body").and_then(|pid| pid.parse().ok());
        Some(Self {
            state: *state,
            body: body.map(|pid| BodyProcess { pid, age: millis("body_ms").unwrap_or_default() }),
            respawns: field("respawns").and_then(|count| count.parse().ok()).unwrap_or(0),
            due: millis("due_ms"),
            last: text_of(LAST).map(|reason| LastExit {
                ago: millis("last_ms").unwrap_or_default(),
                at: millis("last_at_ms"),
                reason,
            }),
            takes_reloads: field("takes_reloads") == Some("1"),
            is_reloading: field("reloading") == Some("1"),
            reloaded: field("reload_ns")
                .and_then(|time| time.parse().ok())
                .map(|time| Reloaded { at: Duration::from_nanos(time), error: text_of(ERROR) }),
            runs: count("runs").map(|ended| Runs {
                ended,
                failed: count("failures").unwrap_or(0),
                last: millis("last_run_ms"),
                next: millis("next_run_ms"),
            }),
            ran: field("ran")
                .and_then(|code| code.parse().ok())
                .map(|code| Ran { code, error: text_of(ERROR) }),
        })
    }

    /// Writes what `status` shows about the body: `; body 57 up 5s, respawned 2 times, last 7s ago: exit 101`.
    pub(crate) fn write_body(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "; ";
        if let Some(BodyProcess { pid, age }) = self.body {
            write!(f, "{separator}body {pid} up {}", in_seconds(age))?;
            separator = ", ";
        }
        match self.respawns {
            0 => return Ok(()),
            1 => write!(f, "{separator}respawned 1 time")?,
            times => write!(f, "{separator}respawned {times} times")?,
        }
        self.last.iter().try_for_each(|last| write!(f, ", {last}"))
    }

    /// Writes what `status` shows about the runs: `; 5 runs, 1 failed, last run 20s ago`.
    pub(crate) fn write_runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Runs { ended, failed, last, .. }) = self.runs else { return Ok(()) };
        write!(f, "; {ended} run{}", if ended == 1 { "" } else { "s" })?;
        if failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        last.map_or(Ok(()), |last| write!(f, ", last run {} ago", in_seconds(now.saturating_sub(last))))
    }

    /// Copies the text that this borrows.
    pub(crate) fn into_owned(self) -> Report<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Report {
            last: self.last.map(|LastExit { ago, at, reason }| LastExit { ago, at, reason: owned(reason) }),
            reloaded: self.reloaded.map(|Reloaded { at, error }| Reloaded { at, error: error.map(owned) }),
            state: self.state,
            body: self.body,
            respawns: self.respawns,
            due: self.due,
            takes_reloads: self.takes_reloads,
            is_reloading: self.is_reloading,
            runs: self.runs,
            ran: self.ran.map(|Ran { code, error }| Ran { code, error: error.map(owned) }),
        }
    }
}

impl fmt::Display for LastExit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "last {} ago: {}", in_seconds(self.ago), Escaped(&self.reason))
    }
}

fn in_seconds(time: Duration) -> Span {
    Span(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(report: &Report<'_>) -> String {
        let text = String::from_utf8(report.encode().as_bytes().to_vec()).unwrap();
        text.strip_suffix('\n').expect("the end of the line").to_owned()
    }

    fn full(reason: &str) -> Report<'_> {
        Report {
            body: Some(BodyProcess { pid: 57, age: Duration::from_secs(5) }),
            respawns: 2,
            due: Some(Duration::from_millis(1)),
            last: Some(LastExit {
                ago: Duration::from_secs(7),
                at: Some(Duration::from_secs(9)),
                reason: reason.into(),
            }),
            ..Report::new(Phase::Running)
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = full("exit 101: panicked at a=b last=c: é");
        let text = line(&report);
        let expected = "daemonic 1 state=running body=57 body_ms=5000 respawns=2 due_ms=1 last_ms=7000 \
                        last_at_ms=9000 last=exit 101: panicked at a=b last=c: é";
        assert_eq!(text, expected);
        assert_eq!(Report::decode(&text).unwrap().into_owned(), report);
        for (phase, _) in PHASES {
            let report = Report::new(phase);
            assert_eq!(Report::decode(&line(&report)), Some(report));
        }
    }

    #[test]
    fn the_answer_to_a_reload_is_read_as_it_was_written() {
        for error in [None, Some("no such file: a=b last=c error=d")] {
            let reloaded =
                Reloaded { at: Duration::from_nanos(12_345_678_901), error: error.map(Into::into) };
            let answer =
                Report { takes_reloads: true, reloaded: Some(reloaded), ..Report::new(Phase::Running) };
            assert_eq!(Report::decode(&line(&answer)), Some(answer));
        }
        let last = full("a error=b").last;
        let report = Report { last, takes_reloads: true, is_reloading: true, ..Report::new(Phase::Waiting) };
        assert_eq!(Report::decode(&line(&report)), Some(report));
    }

    #[test]
    fn the_runs_are_read_as_they_were_written() {
        let millis = |millis| Some(Duration::from_millis(millis));
        let (last, next) = (millis(1_764_205_200_123), millis(1_764_205_205_123));
        let runs = Runs { ended: 5, failed: 1, last, next };
        let report = Report { runs: Some(runs), ..Report::new(Phase::Running) };
        let text = "daemonic 1 state=running respawns=0 runs=5 failures=1 last_run_ms=1764205200123 \
                    next_run_ms=1764205205123";
        assert_eq!(line(&report), text);
        assert_eq!(Report::decode(text), Some(report.clone()));
        let mut line_alone = String::new();
        runs.write_line(&mut line_alone).unwrap();
        assert_eq!(Report::decode(line_alone.trim_end_matches('\n')), Some(report));
        for error in [None, Some("a=b error=c")] {
            let ran = Ran { code: 9, error: error.map(Into::into) };
            let answer =
                Report { runs: Some(Runs::default()), ran: Some(ran), ..Report::new(Phase::Running) };
            assert_eq!(Report::decode(&line(&answer)), Some(answer));
        }
    }

    #[test]
    fn a_key_that_a_reader_does_not_know_is_ignored() {
        let text = "daemonic 1 new=1 state=waiting other";
        assert_eq!(Report::decode(text), Some(Report::new(Phase::Waiting)));
    }

    #[test]
    fn another_version_or_state_is_no_report() {
        for text in [
            "",
            "daemonic 1",
            "daemonic 2 state=running",
            "daemonic 10 state=running",
            "daemonic 1 state=odd",
        ] {
            assert_eq!(Report::decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_and_its_control_characters_are_escaped() {
        assert!(line(&full("a\nb\u{1b}[31m")).ends_with("last=a\\nb\\u{1b}[31m"));
        let text = line(&full(&"é".repeat(LONGEST)));
        assert!(text.len() < LONGEST && text.len() > LONGEST - 4, "{}", text.len());
    }
}
