//! The JSON of an outcome or an error: one line for each, by the schema in `docs/report.schema.json`.
//!
//! What changes from moment to moment, such as the CPU time, is read from `/proc` when the line is made.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::stat::SFlag;
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::action::Action;
use crate::command::duration::Span;
use crate::command::error::{Error, Kind};
use crate::command::escaped::Escaped;
use crate::command::exit::Exit;
#[cfg(feature = "cron")]
use crate::command::next_run::NextRun;
use crate::command::outcome::{Answer, Outcome};
use crate::command::path::SystemPath;
use crate::command::report::LastExit;
use crate::command::snapshot::{End, Snapshot, State, Stdout};
use crate::sys::clock;
use crate::sys::file::{FileId, file_type};
use crate::sys::procfs::{self, Usage};

/// The version of the schema. Later keys do not raise it.
const SCHEMA: u32 = 1;

impl Outcome {
    /// Returns the outcome as one line of JSON, without a newline. [`Answer::All`] has a line for each daemon, with
    /// newlines between them, or one line if none is running.
    ///
    /// The [schema](https://docs.rs/daemonic/latest/daemonic/guide/json) is that of `prog --json ACTION`. The times and
    /// the memory are those of the moment of this call, while the daemon lives. Of a daemon with a supervisor, what the
    /// supervisor reports is known after [`status`](crate::Daemon::status), and after every action that
    /// [`dispatch`](crate::Daemon::dispatch) carries out for `--json`.
    /// A method that does not look for the daemon, such as [`logs`](crate::Daemon::logs), has the `state` `unknown`.
    ///
    /// # Examples
    ///
    /// ```
    /// use daemonic::Daemon;
    ///
    /// let daemon = Daemon::new("to-json-example");
    /// let mut json = String::new();
    /// daemon.run(|| json = daemon.status().map(|outcome| outcome.to_json()).unwrap_or_default())?;
    /// assert!(json.starts_with(r#"{"schema":1,"name":"to-json-example","state":"running","pid":"#));
    /// # Ok::<_, daemonic::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    #[must_use]
    pub fn to_json(&self) -> String {
        match self.answer() {
            Answer::All { daemons } if !daemons.is_empty() => {
                daemons.iter().map(Self::to_json).collect::<Vec<_>>().join("\n")
            }
            Answer::NotStopped { reason, .. } => self.object().with("error", reason.as_str()).end(),
            Answer::Ran { code, .. } if *code != 0 => self.object().with("error", self.to_string()).end(),
            #[cfg(feature = "service")]
            Answer::Unit { text } => self.object().with("text", text.as_str()).end(),
            #[cfg(feature = "cron")]
            Answer::NextRuns { runs } => self.object().with_json("next_runs", &list(runs)).end(),
            _ => match self.lines() {
                Some(lines) => self.object().with("lines", lines).end(),
                None => self.object().end(),
            },
        }
    }

    fn object(&self) -> Object {
        let object = object(self.name(), self.snapshot());
        match self.unit() {
            Some(unit) => object.with("unit", unit),
            None => object,
        }
    }
}

impl Error {
    /// Returns the error as one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        object(self.name(), self.snapshot()).with("error", self.to_string()).end()
    }
}

impl Snapshot {
    /// Adds what an answer implies. What was seen at the end of the action takes precedence, except after the daemon's
    /// end.
    pub(crate) fn after(self, answer: &Answer) -> Self {
        let now = || Some(SystemTime::now());
        let ended =
            |state, last| Self { state, last, holder: None, report: None, runs: None, ..self.clone() };
        let held = |state, pid: &u32| Self { state, holder: Some((*pid, procfs::moment())), ..self.clone() };
        match answer {
            Answer::NotRunning | Answer::Stopped { .. } => ended(State::Stopped, None),
            Answer::Killed { after, signal, .. } => {
                let message = Some(format!("did not exit within {} of {signal}", Span(*after)));
                let exit = Exit::Signal(nix::sys::signal::Signal::SIGKILL as i32);
                ended(State::Stopped, Some(End { exit, message, at: now() }))
            }
            Answer::Finished { code } => {
                let state = if *code == 0 { State::Stopped } else { State::Failed };
                let exit = || End { exit: Exit::Code(*code), message: None, at: now() };
                ended(state, Some(self.last.clone().filter(|_| *code != 0).unwrap_or_else(exit)))
            }
            #[cfg(feature = "service")]
            Answer::Uninstalled { .. } | Answer::NotInstalled => ended(State::Stopped, None),
            #[cfg(feature = "service")]
            Answer::Unit { .. } | Answer::JournalShown { .. } => self,
            // Each daemon that is running has a snapshot of its own.
            Answer::All { .. } => Self { state: State::Stopped, ..Self::default() },
            #[cfg(feature = "cron")]
            Answer::NextRuns { .. } => self,
            Answer::CheckPassed | Answer::LogShown { .. } => self,
            _ if self.state != State::Unknown => self,
            #[cfg(feature = "service")]
            Answer::Installed { pid, .. } => held(State::Running, pid),
            Answer::Started { pid }
            | Answer::Restarted { pid }
            | Answer::AlreadyRunning { pid }
            | Answer::Reloaded { pid }
            | Answer::NotStopped { pid, .. }
            | Answer::Ran { pid, .. }
            | Answer::Running { pid, .. } => held(State::Running, pid),
            Answer::Starting { pid, .. } => held(State::Starting, pid),
            Answer::Waiting { pid, .. } => held(State::Waiting, pid),
            Answer::Stale { .. } | Answer::Failed { .. } => ended(State::Failed, None),
        }
    }

    /// Adds what a failure of an action means: a daemon that could not be started has failed.
    pub(crate) fn after_failure(self, kind: Kind, action: Option<Action>) -> Self {
        let is_start = matches!(action, Some(Action::Start | Action::Restart | Action::Ensure | Action::Run));
        let is_known = !matches!(kind, Kind::HolderUnknown | Kind::OtherProgram);
        let has_failed = is_start && is_known && !self.state.is_held();
        Self { state: if has_failed { State::Failed } else { self.state }, ..self }
    }
}

/// Makes the object of every answer. It needs the [end](Object::end).
fn object(name: &str, snapshot: &Snapshot) -> Object {
    let Snapshot { state, holder, pidfile, stdout, report, next_run, runs, last } = snapshot;
    let (holder, seen) =
        holder.filter(|_| state.is_held()).map_or((None, None), |(pid, seen)| (Some(pid), seen));
    let report = report.as_ref().filter(|_| state.is_held());
    let body = report.and_then(|report| report.body).map(|body| body.pid);
    let stdout = match stdout {
        Stdout::None => None,
        Stdout::Key(path) => Some(text(path)),
        Stdout::OfHolder => holder.and_then(standard_output),
    };
    // Read last, so that all of it is about a process that still lives.
    let process = Process::read(holder, seen, body);
    let stdout = stdout.filter(|_| process.since.is_some() || matches!(snapshot.stdout, Stdout::Key(_)));
    let last = report.and_then(|report| report.last.as_ref()).and_then(End::of_life).or_else(|| last.clone());
    let runs = runs.filter(|_| state.is_held());
    let last_run = runs.and_then(|runs| SystemTime::UNIX_EPOCH.checked_add(runs.last?));
    let mut object = Object::default();
    object
        .put("schema", SCHEMA)
        .put("name", Some(name).filter(|name| !name.is_empty()))
        .put("state", state.as_str())
        .put("pid", holder)
        .put("body_pid", body)
        .put("since", process.since.and_then(rfc_3339))
        .put_json("uptime_seconds", process.uptime.map(seconds).as_deref())
        .put_json("cpu_seconds", process.cpu.map(seconds).as_deref())
        .put("memory_bytes", process.memory)
        .put("children", process.children)
        .put("pidfile", pidfile.as_deref().map(text))
        .put("stdout", stdout)
        .put("respawns", report.map(|report| report.respawns))
        .put("next_run", next_run.filter(|_| state.is_held()).and_then(rfc_3339))
        .put("last_run", last_run.and_then(rfc_3339))
        .put("runs", runs.map(|runs| runs.ended))
        .put("failures", runs.map(|runs| runs.failed))
        .put_json("last_exit", last.map(|end| end.to_json()).as_deref());
    object
}

/// Returns the file that a process's standard output goes to, if it has a path.
fn standard_output(pid: u32) -> Option<String> {
    let (stat, path) = procfs::open_file(Pid::from_raw(pid.try_into().ok()?), 1)?;
    let path = SystemPath::new(path).filter(|_| file_type(&stat) == SFlag::S_IFREG)?;
    FileId::new(&stat).is_at(path.as_c_str()).then(|| text(path.as_path()))
}

/// Returns the list of the action `next`.
#[cfg(feature = "cron")]
fn list(runs: &[NextRun]) -> String {
    let object = |run: &NextRun| {
        let mut object = Object::default();
        object.put("at", rfc_3339(run.at)).put("local", run.local()).put("zone", run.zone());
        object.end()
    };
    format!("[{}]", runs.iter().map(object).collect::<Vec<_>>().join(","))
}

/// What `/proc` reports about the processes of a daemon.
#[derive(Default)]
struct Process {
    since: Option<SystemTime>,
    uptime: Option<Duration>,
    cpu: Option<Duration>,
    memory: Option<u64>,
    children: Option<usize>,
}

impl Process {
    /// Reads what `/proc` reports. It is unknown if the PID of the holder, which was last seen at the given moment,
    /// belongs to another process by now.
    fn read(holder: Option<u32>, seen: Option<Duration>, body: Option<u32>) -> Self {
        let pid = |number: u32| number.try_into().ok().map(Pid::from_raw);
        let (Some(holder), Some(seen)) = (holder.and_then(pid), seen) else { return Self::default() };
        let Some(usage) = Usage::of(holder).filter(|usage| usage.started <= seen) else {
            return Self::default();
        };
        let body = body.and_then(pid).and_then(Usage::of).filter(|body| body.parent == holder);
        let below = procfs::descendants(holder);
        let (body_cpu, body_memory) = body.as_ref().map(|body| (body.cpu, body.memory)).unwrap_or_default();
        Self {
            since: clock::boot().and_then(|boot| SystemTime::UNIX_EPOCH.checked_add(boot + usage.started)),
            uptime: Some(usage.age),
            cpu: Some(usage.cpu + body_cpu),
            memory: Some(usage.memory + body_memory),
            children: below.map(|below| below.saturating_sub(usize::from(body.is_some()))),
        }
    }
}

impl End {
    /// Reads what a supervisor reports about the last life of the body.
    fn of_life(LastExit { ago, at, reason }: &LastExit<'_>) -> Option<Self> {
        let (exit, rest) = Exit::parse(reason)?;
        let message = rest.strip_prefix(": ").map(str::to_owned);
        let at = at
            .map_or_else(|| SystemTime::now().checked_sub(*ago), |at| SystemTime::UNIX_EPOCH.checked_add(at));
        Some(Self { exit, message, at })
    }

    fn to_json(&self) -> String {
        let message = self.message.as_deref();
        let (code, signal) = match self.exit {
            Exit::Code(code) => (Some(code), None),
            Exit::Signal(number) => (None, Some(signal_name(number))),
            Exit::OutOfMemory => (None, Some("SIGKILL".into())),
        };
        let kind = match (self.exit, message) {
            (Exit::Code(101) | Exit::Signal(_), Some(message)) if message.starts_with("panicked") => "panic",
            (Exit::Signal(_) | Exit::OutOfMemory, _) => "signal",
            (Exit::Code(code), Some(_)) if code != 0 => "error",
            (Exit::Code(_), _) => "exit",
        };
        let no_memory = (self.exit == Exit::OutOfMemory).then(|| self.exit.to_string());
        let mut object = Object::default();
        object
            .put("kind", kind)
            .put("code", code)
            .put("signal", signal)
            .put("message", message.map(|message| Escaped(message).to_string()).or(no_memory))
            .put("at", self.at.and_then(rfc_3339));
        object.end()
    }
}

/// Returns the name of a signal, or the number of one that has none.
fn signal_name(number: i32) -> String {
    let signal = nix::sys::signal::Signal::try_from(number);
    signal.map_or_else(|_| number.to_string(), |signal| signal.as_str().into())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns a time as a number. `/proc` has hundredths of a second.
fn seconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10)
}

/// Returns a time in UTC, to the second. Returns `None` after the year 9999.
fn rfc_3339(time: SystemTime) -> Option<String> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok().map(|()| text)
}

/// An object whose keys stay in their order.
#[derive(Default)]
struct Object(String);

impl Object {
    fn put(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.put_json(key, Some(&value.into().to_string()))
    }

    /// Puts a value that is JSON already.
    fn put_json(&mut self, key: &str, json: Option<&str>) -> &mut Self {
        let json = json.unwrap_or("null");
        let separator = if self.0.is_empty() { '{' } else { ',' };
        let _ = write!(self.0, "{separator}{}:{json}", Value::from(key));
        self
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.put(key, value);
        self
    }

    #[cfg(feature = "cron")]
    fn with_json(mut self, key: &str, json: &str) -> Self {
        self.put_json(key, Some(json));
        self
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_utc_and_to_the_second() {
        let after = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs_f64(seconds));
        assert_eq!(rfc_3339(after(1_764_205_200.9).unwrap()).unwrap(), "2025-11-27T01:00:00Z");
        // The time in a pidfile may be any number.
        assert_eq!(rfc_3339(after(1e15).unwrap()), None);
        assert_eq!(rfc_3339(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), None);
    }

    #[test]
    fn seconds_have_a_fraction() {
        assert_eq!(seconds(Duration::from_millis(3_050)), "3.05");
        assert_eq!(seconds(Duration::ZERO), "0.00");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_began_after_the_look_is_another_one() {
        let own = Some(std::process::id());
        assert!(Process::read(own, procfs::moment(), None).memory.is_some());
        assert!(Process::read(own, Some(Duration::ZERO), None).memory.is_none());
        // The body is a child of the daemon, and no process is its own child.
        let [alone, with_itself] = [None, own].map(|body| Process::read(own, procfs::moment(), body).memory);
        assert!(with_itself.unwrap().abs_diff(alone.unwrap()) < alone.unwrap() / 2);
    }

    #[test]
    fn the_last_life_is_read_from_the_report() {
        let end = |reason: &str| {
            let end = End::of_life(&LastExit { ago: Duration::ZERO, at: None, reason: reason.into() })?;
            let json = end.to_json();
            Some(json.rsplit_once(",\"at\"").expect("the last key").0.to_owned())
        };
        for (reason, json) in [
            ("exit 3", r#"{"kind":"exit","code":3,"signal":null,"message":null"#),
            ("exit 1: a \"b\": c", r#"{"kind":"error","code":1,"signal":null,"message":"a \"b\": c""#),
            (
                "exit 101: panicked at a.rs:1",
                r#"{"kind":"panic","code":101,"signal":null,"message":"panicked at a.rs:1""#,
            ),
            ("killed by SIGSEGV", r#"{"kind":"signal","code":null,"signal":"SIGSEGV","message":null"#),
            ("killed by signal 40", r#"{"kind":"signal","code":null,"signal":"40","message":null"#),
            (
                "killed by the kernel: out of memory",
                r#"{"kind":"signal","code":null,"signal":"SIGKILL","message":"killed by the kernel: out of memory""#,
            ),
            (
                "killed by SIGABRT: panicked at a.rs:1",
                r#"{"kind":"panic","code":null,"signal":"SIGABRT","message":"panicked at a.rs:1""#,
            ),
        ] {
            assert_eq!(end(reason).as_deref(), Some(json));
        }
        assert_eq!(end("another text"), None);
    }
}
