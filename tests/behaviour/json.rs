//! `--json`: one line for every answer, by the schema in `docs/report.schema.json`.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::thread;
use std::time::SystemTime;

use common::notice::unstamped;
use common::{
    Answer, Locker, Process, Subject, program, program_with, repository, root_or_skip, strace_or_skip,
    tool_or_skip, wait_until,
};
use daemonic::Daemon;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::reloading::await_taker;
use crate::respawn::body_of;

/// A time that no test lives through, in milliseconds.
const LONG: &str = "3600000";

/// The keys of an answer that is no failure, in their order.
const KEYS: [&str; 18] = [
    "schema",
    "name",
    "state",
    "pid",
    "body_pid",
    "since",
    "uptime_seconds",
    "cpu_seconds",
    "memory_bytes",
    "children",
    "pidfile",
    "stdout",
    "respawns",
    "next_run",
    "last_run",
    "runs",
    "failures",
    "last_exit",
];

fn subject() -> Subject {
    Subject::of(&program_with("json", "subject_json"))
}

/// The answers of a test, which are validated together.
#[derive(Default)]
struct Answers(Mutex<Vec<String>>);

impl Answers {
    /// Asks for JSON.
    #[track_caller]
    fn ask(&self, subject: &Subject, action: &str) -> Json {
        self.ask_with(subject, &[action])
    }

    /// Asks for JSON, with options or arguments.
    #[track_caller]
    fn ask_with(&self, subject: &Subject, words: &[&str]) -> Json {
        self.take(&asked(subject, words))
    }

    /// Asks for JSON about each daemon of the program, and expects this exit code.
    #[track_caller]
    fn ask_all(&self, subject: &Subject, action: &str, code: i32) -> Vec<Json> {
        let answer = asked(subject, &["--all", action]);
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(code), ""), "{answer:?}");
        answer.stdout.lines().map(|line| self.read(line, Some(code))).collect()
    }

    /// Reads an answer, which must be one line and nothing else.
    #[track_caller]
    fn take(&self, answer: &Answer) -> Json {
        let line = answer.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("{answer:?}"));
        assert!(!line.contains('\n') && answer.stderr.is_empty(), "{answer:?}");
        self.read(line, answer.status.code())
    }

    #[track_caller]
    fn read(&self, line: &str, code: Option<i32>) -> Json {
        self.0.lock().unwrap().push(line.to_owned());
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let keys: Vec<usize> = KEYS.iter().map(|key| line.find(&format!("\"{key}\":")).expect(key)).collect();
        assert!(keys.is_sorted(), "{line}");
        let known = |key: &String| {
            KEYS.contains(&key.as_str()) || ["error", "lines", "next_runs"].contains(&key.as_str())
        };
        assert!(value.as_object().is_some_and(|object| object.keys().all(known)), "{line}");
        Json { code, value }
    }

    /// Validates every answer by a library that implements JSON Schema.
    #[track_caller]
    fn are_valid(&self) {
        if tool_or_skip(&["python3", "-W", "ignore", "-c", "import jsonschema"]) {
            let wrong = mistakes(&self.0.lock().unwrap().join("\n"));
            assert!(wrong.is_empty(), "{wrong}");
        }
    }
}

/// Returns the answer for a command line after `--json`.
#[track_caller]
fn asked(subject: &Subject, words: &[&str]) -> Answer {
    let mut command = subject.action("--json");
    command.args(words);
    Answer::of(command)
}

/// Returns what is wrong with lines of JSON.
pub(crate) fn mistakes(lines: &str) -> String {
    const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
for line in sys.argv[2].split('\\n'):
    for error in Draft202012Validator(schema).iter_errors(json.loads(line)):
        print(error.json_path, error.message, 'in', line)
";
    let schema = repository().join("docs/report.schema.json");
    let output = Command::new("python3")
        .args(["-W", "ignore", "-c", VALIDATE])
        .arg(schema)
        .arg(lines)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// An answer.
#[derive(Debug)]
struct Json {
    code: Option<i32>,
    value: Value,
}

impl Json {
    /// Fails unless this is the exit code and the state.
    #[track_caller]
    fn is(&self, code: i32, state: &str) -> &Self {
        assert_eq!((self.code, &self["state"]), (Some(code), &json!(state)), "{self:?}");
        self
    }

    /// Fails unless the daemon is this process.
    #[track_caller]
    fn has_pid(&self, process: Process) -> &Self {
        assert_eq!(self["pid"], json!(process.0), "{self:?}");
        self
    }

    /// Fails unless it is about a failure, with this text.
    #[track_caller]
    fn has_error(&self, text: &str) -> &Self {
        assert_eq!(self["error"], json!(text), "{self:?}");
        self
    }

    #[track_caller]
    fn has_no_error(&self) -> &Self {
        assert_eq!(self.value.get("error"), None, "{self:?}");
        self
    }

    fn pid(&self) -> Process {
        Process(self["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a pid"))
    }

    /// Fails unless the last exit is this one, a moment ago.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "callers make the values for it")]
    fn has_last_exit(&self, kind: &str, code: Value, signal: Value, message: Value) -> &Self {
        let mut last = self["last_exit"].clone();
        let at = last.as_object_mut().and_then(|last| last.remove("at"));
        assert_eq!(
            last,
            json!({ "kind": kind, "code": code, "signal": signal, "message": message }),
            "{self:?}"
        );
        assert!(at.is_some_and(|at| is_now(&at)), "{self:?}");
        self
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.value[key]
    }
}

/// Returns whether a time is that of a moment ago, by `date`.
fn is_now(time: &Value) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    now.abs_diff(seconds(time)) < 60
}

/// Returns the seconds from 1970 to a time.
fn seconds(time: &Value) -> u64 {
    let output = Command::new("date").args(["+%s", "-d", time.as_str().unwrap_or("")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or(0)
}

#[test]
fn every_action_prints_one_line() {
    let answers = Answers::default();
    let subject = subject();
    answers.ask(&subject, "status").is(3, "stopped").has_no_error();
    let started = answers.ask(&subject, "start");
    let daemon = started.is(0, "running").has_no_error().pid();
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    let again = answers.ask(&subject, "start");
    again.is(1, "running").has_pid(daemon).has_error(&format!("subject: already running (pid {daemon})"));
    for action in ["status", "ensure", "reload"] {
        answers.ask(&subject, action).is(0, "running").has_pid(daemon).has_no_error();
    }
    let refused = "subject: there is nothing to check; the action `check` needs the key `check`";
    answers.ask(&subject, "check").is(2, "running").has_error(refused);
    let second = answers.ask(&subject, "restart").is(0, "running").has_no_error().pid();
    assert_ne!(second, daemon);
    for _ in 0..2 {
        answers.ask(&subject, "stop").is(0, "stopped").has_no_error();
    }
    answers.ask(&subject, "reload").is(1, "stopped").has_error("subject: not running");
    let subject = subject.key("check", "");
    answers.ask(&subject, "check").is(0, "stopped").has_no_error();
    answers
        .ask(&subject.key("check", "fail x"), "check")
        .is(1, "stopped")
        .has_error("subject: check failed: x: the cause");
    answers.are_valid();
}

/// A daemon that a test has brought into a state, with what the state needs to last.
type Scene = (Subject, Option<Child>, Option<Locker>);

/// Brings a daemon of its own into a state.
fn in_state(state: &str) -> Scene {
    let subject = subject().graceful("ready; wait");
    fs::write(subject.log(), "before\n").unwrap();
    let supervised = |subject: Subject| subject.key("respawn", "on-failure").key("respawn_delay", LONG);
    let (mut launcher, mut locker) = (None, None);
    match state {
        "stopped" => {}
        "running" => drop(subject.start()),
        "starting" => {
            let slow = subject.path("never");
            let slow = format!("until {}; wait", slow.display());
            let mut start = subject.action("start");
            start.env("SUBJECT_BODY", &slow).env("SUBJECT_WAIT_READY", LONG);
            launcher = Some(start.spawn().unwrap());
            subject.log_with(slow.strip_suffix("; wait").unwrap());
        }
        "waiting" | "stopping" => {
            let body = if state == "waiting" { "fail no disk" } else { "block SIGTERM; print up; park" };
            let mut start = subject.action("start");
            start.envs([("SUBJECT_BODY", body), ("SUBJECT_RESPAWN", "on-failure")]);
            start.envs([("SUBJECT_RESPAWN_DELAY", LONG), ("SUBJECT_STOP_TIMEOUT", LONG)]);
            let daemon = Answer::of(start).started();
            if state == "stopping" {
                subject.log_with("up");
                daemon.signal(Signal::SIGTERM);
            }
            wait_until(state, || asked(&subject, &["status"]).stdout.contains(&format!("\"{state}\"")));
            return (supervised(subject), None, None);
        }
        "failed" => {
            let mut start = subject.action("start");
            start.env("SUBJECT_BODY", "fail no disk");
            Answer::of(start).started().wait_until_gone();
        }
        "stale" => {
            let daemon = subject.start();
            daemon.signal(Signal::SIGKILL);
            daemon.wait_until_gone();
        }
        "unknown" => locker = Some(subject.lock(&subject.pidfile(), "description", 2, 1)),
        _ => unreachable!("{state}"),
    }
    (subject, launcher, locker)
}

/// The exit code and the state after each action, in each state before it.
const TABLE: &str = "
          stopped    starting    running    waiting    stopping    failed     stale      unknown
status    3 stopped  0 starting  0 running  0 waiting  0 stopping  1 failed   1 failed   4 unknown
start     0 running  1 starting  1 running  1 waiting  1 stopping  0 running  0 running  1 unknown
ensure    0 running  1 starting  0 running  1 waiting  1 stopping  0 running  0 running  1 unknown
restart   0 running  0 running   0 running  0 running  0 running   0 running  0 running  1 unknown
run       0 stopped  1 starting  1 running  1 waiting  1 stopping  0 stopped  0 stopped  1 unknown
reload    1 stopped  0 starting  0 running  0 waiting  0 stopping  1 failed   1 failed   1 unknown
stop      0 stopped  0 stopped   0 stopped  0 stopped  0 stopped   0 stopped  0 stopped  1 unknown
check     0 stopped  0 starting  0 running  0 waiting  0 stopping  0 failed   0 failed   0 unknown
logs      0 stopped  0 starting  0 running  0 waiting  0 stopping  0 failed   0 failed   0 unknown
";

#[test]
fn every_action_in_every_state_is_valid() {
    let answers = Answers::default();
    let test = |action: &str, before: &str, code: &str, after: &str| {
        let (subject, launcher, _locker) = in_state(before);
        // `ensure` waits for a daemon that is not ready, here forever.
        let is_ready = !["starting", "waiting", "stopping"].contains(&before);
        let patience = if action == "ensure" && !is_ready { "20" } else { "30000" };
        let subject = subject.key("stop_timeout", "20").key("wait_ready", patience);
        let subject = match action {
            "check" => subject.key("check", "").without("context").without("wait_ready"),
            "run" => subject.body("ready").without("respawn"),
            _ => subject,
        };
        let answer = answers.ask(&subject, action);
        let found = format!("{} {}", answer.code.expect("a code"), answer["state"].as_str().expect("text"));
        assert_eq!(found, format!("{code} {after}"), "{action} when {before}: {answer:?}");
        assert_eq!(answer.value.get("lines").is_some(), action == "logs", "{answer:?}");
        assert_eq!(answer.value.get("error").is_some(), has_failed(action, code), "{answer:?}");
        drop(subject);
        launcher.map(Answer::from);
    };
    let mut rows = TABLE.trim().lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let states = rows.next().expect("states");
    thread::scope(|scope| {
        for row in rows {
            let (states, test) = (&states, &test);
            scope.spawn(move || {
                let cells = row[1..].chunks(2);
                assert_eq!(cells.len(), states.len(), "{row:?}");
                for (before, cell) in states.iter().zip(cells) {
                    test(row[0], before, cell[0], cell[1]);
                }
            });
        }
    });
    answers.are_valid();
}

/// Returns whether an exit code is that of an error, and not of a state that `status` reports.
fn has_failed(action: &str, code: &str) -> bool {
    code != "0" && (action != "status" || code == "4")
}

#[test]
fn logs_has_the_lines_in_its_line() {
    let answers = Answers::default();
    let subject = subject();
    let reason = format!(
        "subject: failed to show the log: cannot open the log {}: No such file or directory (os error 2)",
        subject.log().display()
    );
    answers.ask(&subject, "logs").is(1, "stopped").has_error(&reason);
    fs::write(subject.log(), b"").unwrap();
    assert_eq!(answers.ask(&subject, "logs").is(0, "stopped")["lines"], json!([]));
    fs::write(subject.log(), b"one\n\n\x1b[1m\"two\"\r\nthr\xffe\xe2\x80\xa8\nlast").unwrap();
    let lines = ["one", "", "\x1b[1m\"two\"\r", "thr\u{fffd}e\u{2028}", "last"];
    assert_eq!(answers.ask(&subject, "logs").is(0, "stopped")["lines"], json!(lines));
    for count in [0, 2, 9] {
        let answer = answers.ask_with(&subject, &["logs", "-n", &count.to_string()]);
        assert_eq!(answer["lines"], json!(lines[lines.len().saturating_sub(count)..]), "{count}");
    }
    let numbers: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    fs::write(subject.log(), numbers.join("\n") + "\n").unwrap();
    let daemon = subject.start();
    let answer = answers.ask(&subject, "logs");
    answer.is(0, "running").has_pid(daemon).has_no_error();
    assert_eq!((&answer["lines"], &answer["stdout"]), (&json!(numbers[10..]), &json!(subject.log())));
    let no_log = subject.without("stdout");
    let answer = answers.ask(&no_log, "logs");
    assert!(
        answer.is(2, "running")["error"].as_str().is_some_and(|error| error.contains("the key `stdout`"))
    );
    answers.are_valid();
}

#[test]
fn the_log_of_a_library_call_is_where_it_was_written_to() {
    let answers = Answers::default();
    let subject = subject();
    fs::write(subject.log(), "one\n").unwrap();
    let mut text = Vec::new();
    let outcome = Daemon::new("subject").pidfile(subject.pidfile()).stdout(subject.log()).logs(9, &mut text);
    let answer = answers.read(&outcome.unwrap().to_json(), Some(0));
    assert_eq!((text, answer.value.get("lines")), (b"one\n".to_vec(), None));
    answers.are_valid();
}

/// Starts an instance with a pidfile and a log of its own.
fn instance(subject: &Subject, name: &str, keys: &[(&str, &str)]) -> Process {
    let mut start = subject.action("start");
    start.env("SUBJECT_NAME", "subject").env("SUBJECT_PIDFILE", subject.path(&format!("{name}.pid")));
    start.env("SUBJECT_STDOUT", subject.path(&format!("{name}.log"))).envs(keys.iter().copied());
    Answer::of(start).started()
}

#[test]
fn every_daemon_has_a_line() {
    let answers = Answers::default();
    // A program of its own, so that the daemons of other tests are none of its.
    let subject = subject().open_to_all().key("stop_timeout", "500");
    let none = |answers: &Answers, action, code| {
        let lines = answers.ask_all(&subject, action, code);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        line.is(code, "stopped").has_no_error();
        assert_eq!((&line["name"], &line["pidfile"]), (&json!("subject"), &Value::Null), "{line:?}");
    };
    none(&answers, "status", 3);
    none(&answers, "stop", 0);
    let one = instance(&subject, "one", &[("SUBJECT_BODY", "block SIGTERM; print up; park")]);
    wait_until("a body", || fs::read_to_string(subject.path("one.log")).is_ok_and(|log| log == "up\n"));
    let respawning = [("SUBJECT_RESPAWN", "on-failure"), ("SUBJECT_RESPAWN_DELAY", LONG)];
    let two = instance(&subject, "two", &[&respawning[..], &[("SUBJECT_BODY", "fail no disk")]].concat());
    let three = instance(&subject, "three", &respawning);
    let four = instance(&subject, "four", &[("SUBJECT_STDOUT", "/dev/null")]);
    wait_until("the pause, and the body", || {
        let lines = answers.ask_all(&subject, "status", 0);
        lines[3]["state"] == json!("waiting") && lines[2]["body_pid"].is_i64()
    });
    // Sorted by their pidfiles.
    let expected = [
        ("four", four, "running"),
        ("one", one, "running"),
        ("three", three, "running"),
        ("two", two, "waiting"),
    ];
    let lines = answers.ask_all(&subject, "status", 0);
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, (name, daemon, state)) in lines.iter().zip(expected) {
        line.is(0, state).has_pid(daemon).has_no_error();
        assert_eq!(line["pidfile"], json!(subject.path(&format!("{name}.pid"))));
        let log = json!(subject.path(&format!("{name}.log")));
        assert_eq!(line["stdout"], if name == "four" { Value::Null } else { log });
        assert!(line["memory_bytes"].is_u64() && is_now(&line["since"]), "{line:?}");
    }
    assert_eq!((&lines[2]["respawns"], &lines[1]["respawns"]), (&json!(0), &Value::Null));
    lines[3].has_last_exit("error", json!(1), Value::Null, json!("no disk: the cause"));
    let lines = answers.ask_all(&subject, "stop", 0);
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, (name, ..)) in lines.iter().zip(expected) {
        line.is(0, "stopped").has_no_error();
        assert_eq!(line["pidfile"], json!(subject.path(&format!("{name}.pid"))));
        assert_eq!((&line["stdout"], line["last_exit"].is_null()), (&Value::Null, name != "one"));
    }
    let message = json!("did not exit within 500ms of SIGTERM");
    lines[1].has_last_exit("signal", Value::Null, json!("SIGKILL"), message);
    none(&answers, "status", 3);
    answers.are_valid();
}

#[test]
fn a_daemon_that_stops_every_other_one_has_a_line_about_itself() {
    let answers = Answers::default();
    let subject = subject().open_to_all();
    let other = instance(&subject, "other", &[]);
    let subject = subject.body("report --json --all status; report --json --all stop; print done; park");
    let daemon = subject.start();
    let log = subject.log_with("done");
    let lines: Vec<Json> = log.lines().take(4).map(|line| answers.read(line, Some(0))).collect();
    lines[0].is(0, "running").has_pid(other);
    lines[1].is(0, "running").has_pid(daemon);
    lines[2].is(0, "stopped").has_no_error();
    lines[3].is(0, "running").has_pid(daemon);
    assert!(lines[3]["error"].as_str().is_some_and(|error| error.starts_with("subject: failed to stop: ")));
    answers.are_valid();
}

#[test]
fn a_daemon_that_may_not_be_stopped_has_a_whole_line() {
    // A user that may see root's processes and not signal them.
    let capabilities = "+sys_ptrace,+dac_read_search";
    let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let wrapper = [&wrapper[..], &["--inh-caps", capabilities, "--ambient-caps", capabilities]].concat();
    if !root_or_skip() || !tool_or_skip(&[&wrapper[..], &["true"]].concat()) {
        return;
    }
    let answers = Answers::default();
    let subject = subject().open_to_all().key("respawn", "on-failure").key("respawn_delay", LONG);
    let daemon = subject.start();
    let body = body_of(&subject);
    let mut command = subject.wrapped(&wrapper, "--json");
    command.args(["--all", "stop"]).env_remove("SUBJECT_STDOUT");
    let answer = answers.take(&Answer::of(command));
    answer.is(1, "running").has_pid(daemon);
    assert_eq!((&answer["body_pid"], &answer["respawns"]), (&json!(body.0), &json!(0)), "{answer:?}");
    let error = answer["error"].as_str().expect("an error");
    assert!(error.starts_with("subject: permission denied: "), "{error}");
    answers.are_valid();
}

#[test]
fn a_body_that_could_not_reload_is_running_with_its_reason() {
    let answers = Answers::default();
    for is_supervised in [false, true] {
        let subject = subject().graceful("event; unloaded no disk; event; unloaded no file; serve");
        let subject = if is_supervised {
            subject.key("respawn", "on-failure").key("respawn_delay", LONG)
        } else {
            subject
        };
        let daemon = subject.start();
        await_taker(&subject);
        for reason in ["no disk", "no file"] {
            let answer = answers.ask(&subject, "reload");
            answer.is(1, "running").has_pid(daemon);
            answer.has_error(&format!("subject: failed to reload: {reason}: the cause"));
            assert_eq!((answer["body_pid"].is_i64(), &answer["last_exit"]), (is_supervised, &Value::Null));
        }
        subject.act("stop");
    }
    answers.are_valid();
}

#[test]
fn what_a_running_daemon_is_and_uses() {
    let answers = Answers::default();
    let subject = subject();
    let script = subject.path("child");
    fs::write(&script, "exec sleep 1000").unwrap();
    let subject = subject.body(format!("spawn {}; count", script.display()));
    let daemon = subject.start();
    wait_until("CPU time", || {
        answers.ask(&subject, "status")["cpu_seconds"].as_f64().is_some_and(|time| time > 0.0)
    });
    let answer = answers.ask(&subject, "status");
    answer.is(0, "running").has_pid(daemon).has_no_error();
    assert_eq!(answer["schema"], json!(1));
    assert_eq!(answer["name"], json!("subject"));
    assert_eq!(answer["pidfile"], json!(subject.pidfile()));
    assert_eq!(answer["stdout"], json!(subject.log()));
    assert!(is_now(&answer["since"]), "{answer:?}");
    let uptime = answer["uptime_seconds"].as_f64().expect("a number");
    assert!(uptime > 0.0 && uptime < 60.0, "{answer:?}");
    assert!(answer["uptime_seconds"].is_f64() && answer["cpu_seconds"].is_f64(), "{answer:?}");
    let resident: u64 = daemon.status("VmRSS").trim_end_matches(" kB").trim().parse().unwrap();
    let memory = answer["memory_bytes"].as_u64().expect("a number");
    assert!(memory.abs_diff(resident * 1024) < 1 << 20, "{resident} kB in {answer:?}");
    assert_eq!(answer["children"], json!(1), "{answer:?}");
    for key in ["body_pid", "respawns", "last_exit"] {
        assert_eq!(answer[key], Value::Null);
    }
    let no_log = subject.without("stdout");
    assert_eq!(answers.ask(&no_log, "status").is(0, "running")["stdout"], Value::Null);
    answers.are_valid();
}

#[test]
fn a_repeating_daemon_reports_its_runs() {
    let answers = Answers::default();
    for supervised in [false, true] {
        let subject = subject().every(3_600_000, "print ran; fail x").key("on_error", "continue");
        let subject = if supervised { subject.key("respawn", "always") } else { subject };
        let daemon = answers.ask(&subject, "start").is(0, "running").pid();
        subject.log_with("subject: x: the cause");
        let status = answers.ask(&subject, "status");
        status.is(0, "running").has_pid(daemon);
        assert_eq!((&status["runs"], &status["failures"]), (&json!(1), &json!(1)), "{status:?}");
        assert!(is_now(&status["last_run"]), "{status:?}");
        assert_eq!((seconds(&status["next_run"]) - seconds(&status["last_run"])) / 60, 60, "{status:?}");
        let once = answers.ask(&subject, "once");
        let failed = format!("subject: the run has failed (pid {daemon}): exit 1: x: the cause");
        once.is(1, "running").has_pid(daemon).has_error(&failed);
        assert_eq!(once["runs"], json!(2), "{once:?}");
        answers.ask(&subject, "stop").is(0, "stopped");
        assert_eq!(answers.ask(&subject, "status").is(3, "stopped")["runs"], Value::Null);
    }
    answers.are_valid();
}

#[test]
fn a_supervisor_reports_its_body() {
    let answers = Answers::default();
    let subject = subject().key("respawn", "on-failure").key("respawn_delay", "20");
    let [go, once, script] = ["go", "once", "child"].map(|name| subject.path(name));
    fs::write(&script, "exec sleep 1000").unwrap();
    let [begin, fail] = [format!("until {}", go.display()), format!("once {} panic oops", once.display())];
    let subject = subject.body(format!("{begin}; {fail}; spawn {}; print up; park", script.display()));
    let daemon = answers.ask(&subject, "start").is(0, "running").pid();
    fs::write(go, "").unwrap();
    wait_until("the second life", || answers.ask(&subject, "status")["respawns"] == json!(1));
    let body = body_of(&subject);
    subject.log_with("up");
    for action in ["status", "ensure", "start"] {
        let answer = answers.ask(&subject, action);
        answer.is(i32::from(action == "start"), "running").has_pid(daemon);
        assert_eq!((&answer["body_pid"], &answer["respawns"]), (&json!(body.0), &json!(1)), "{answer:?}");
        assert_eq!(answer["children"], json!(1), "{answer:?}");
        let memory = |process: Process| -> u64 {
            process.status("VmRSS").trim_end_matches(" kB").trim().parse().unwrap()
        };
        let both = (memory(daemon) + memory(body)) * 1024;
        assert!(answer["memory_bytes"].as_u64().is_some_and(|bytes| bytes.abs_diff(both) < 1 << 20));
        let message = answer["last_exit"]["message"].clone();
        assert!(message.as_str().is_some_and(|text| text.ends_with(": oops")), "{answer:?}");
        answer.has_last_exit("panic", json!(101), Value::Null, message);
    }
    answers.are_valid();
}

#[test]
fn a_supervisor_waits_and_stops() {
    let answers = Answers::default();
    let subject = subject().key("respawn", "on-failure").key("respawn_delay", LONG);
    let waiting = subject.body("fail the disk is full");
    let daemon = answers.ask(&waiting, "start").pid();
    wait_until("the pause", || answers.ask(&waiting, "status")["state"] == json!("waiting"));
    let answer = answers.ask(&waiting, "reload");
    answer.is(0, "waiting").has_pid(daemon);
    answer.has_last_exit("error", json!(1), Value::Null, json!("the disk is full: the cause"));
    assert_eq!((&answer["body_pid"], &answer["respawns"]), (&Value::Null, &json!(0)));
    answers.ask(&waiting, "stop").is(0, "stopped");

    let stopping = waiting.body("block SIGTERM; print up; park").key("stop_timeout", LONG);
    let daemon = stopping.start();
    stopping.log_with("up");
    daemon.signal(Signal::SIGTERM);
    wait_until("the stop", || answers.ask(&stopping, "status")["state"] == json!("stopping"));
    answers.ask(&stopping, "status").is(0, "stopping").has_pid(daemon);
    let killed = answers.ask(&stopping.key("stop_timeout", "20"), "stop");
    let message = json!("did not exit within 20ms of SIGTERM");
    killed.is(0, "stopped").has_last_exit("signal", Value::Null, json!("SIGKILL"), message);
    answers.are_valid();
}

#[test]
fn a_daemon_with_cron_has_a_next_run() {
    let answers = Answers::default();
    let subject = Subject::of(&program_with("cron", "subject_cron"));
    let subject = subject.key("cron", "0 0 29 2 *").key("timezone", "Asia/Kolkata").body("");
    assert_eq!(answers.ask(&subject, "status").is(3, "stopped")["next_run"], Value::Null);
    let mut next = subject.action("--json");
    next.args(["next", "2"]);
    let answer = answers.take(&Answer::of(next));
    let runs = answer.is(0, "stopped").has_no_error()["next_runs"].as_array().unwrap().clone();
    assert_eq!(runs.len(), 2, "{answer:?}");
    for run in &runs {
        let (at, local) = (run["at"].as_str().unwrap(), run["local"].as_str().unwrap());
        assert!(at.ends_with("-02-28T18:30:00Z") && local.ends_with("-02-29T00:00:00+05:30"), "{answer:?}");
        assert_eq!(run["zone"], "Asia/Kolkata");
    }
    let started = answers.ask(&subject, "start");
    assert_eq!(started.is(0, "running")["next_run"], runs[0]["at"]);
    assert_eq!(answers.ask(&subject, "status").is(0, "running")["next_run"], runs[0]["at"]);
    assert_eq!(answers.ask(&subject, "stop").is(0, "stopped")["next_run"], Value::Null);
    let wrong = subject.key("timezone", "Asia/Tokio");
    let answer = answers.ask(&wrong, "next");
    assert!(answer["error"].as_str().unwrap().contains("unknown time zone"), "{answer:?}");
    answers.are_valid();
}

#[test]
fn a_daemon_starts_until_it_is_ready() {
    let answers = Answers::default();
    let subject = subject().key("wait_ready", "20000");
    let go = subject.path("go");
    let subject = subject.graceful(format!("until {}; ready; wait", go.display()));
    let mut start = subject.action("--json");
    let start = start.arg("start").spawn().unwrap();
    subject.log_with(&format!("until {}", go.display()));
    let starting = answers.ask(&subject, "status");
    starting.is(0, "starting");
    assert_eq!((&starting["respawns"], &starting["body_pid"]), (&Value::Null, &Value::Null));
    let impatient = subject.key("wait_ready", "20");
    let text = format!("subject: not ready after 20ms (pid {})", starting.pid());
    answers.ask(&impatient, "ensure").is(1, "starting").has_pid(starting.pid()).has_error(&text);
    fs::write(go, "").unwrap();
    answers.take(&Answer::from(start)).is(0, "running").has_pid(starting.pid());
    answers.are_valid();
}

#[test]
fn the_end_of_a_daemon_has_a_kind() {
    let answers = Answers::default();
    for (body, kind, code, signal, message) in [
        ("code 3", "exit", json!(3), Value::Null, Value::Null),
        ("fail the disk is full", "error", json!(1), Value::Null, json!("the disk is full: the cause")),
        ("abort", "signal", Value::Null, json!("SIGABRT"), Value::Null),
    ] {
        // Only a supervisor sees a signal that ends the body.
        let subject = subject().body(body).key("children", if kind == "signal" { "end" } else { "leave" });
        subject.start().wait_until_gone();
        let answer = answers.ask(&subject, "status");
        answer.is(1, "failed").has_no_error().has_last_exit(kind, code, signal, message);
        answers.ask(&subject, "stop").is(0, "stopped");
        assert_eq!(answers.ask(&subject, "status").is(3, "stopped")["last_exit"], Value::Null);
    }
    // A pidfile that does not say how the daemon has ended.
    let subject = subject();
    let daemon = subject.start();
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    let stale = answers.ask(&subject, "status");
    assert_eq!(stale.is(1, "failed").has_no_error()["last_exit"], Value::Null);
    answers.are_valid();
}

#[test]
fn a_start_that_fails_is_a_failed_daemon() {
    let answers = Answers::default();
    let subject = subject().key("stdout", "/no/such/log");
    let reason = "subject: failed to start: cannot open stdout /no/such/log; make the directory /no/such first: \
                  No such file or directory (os error 2)";
    for action in ["start", "restart", "ensure"] {
        answers.ask(&subject, action).is(1, "failed").has_error(reason);
    }
    answers.ask(&subject, "status").is(3, "stopped");
    let subject = subject.without("stdout").graceful("fail no port").key("wait_ready", "20000");
    answers.ask(&subject, "start").is(1, "failed").has_error("subject: failed to start: no port: the cause");
    let subject = subject.key("name", "a/b");
    let reason = "a/b: failed to start: `name` must be a word without `/`, because it is part of file names";
    answers.ask(&subject, "start").is(1, "failed").has_error(reason);
    answers.ask(&subject, "status").is(4, "unknown");
    answers.are_valid();
}

#[test]
fn what_cannot_be_known_is_unknown() {
    let answers = Answers::default();
    let subject = subject();
    let locker = subject.lock(&subject.pidfile(), "description", 2, 1);
    for (action, code) in [("status", 4), ("stop", 1), ("start", 1)] {
        let answer = answers.ask(&subject, action);
        answer.is(code, "unknown");
        assert!(answer["error"].as_str().is_some_and(|error| error.starts_with("subject: unknown: ")));
        assert_eq!(answer["pidfile"], json!(subject.pidfile()));
    }
    drop(locker);
    fs::remove_file(subject.pidfile()).unwrap();
    fs::create_dir(subject.pidfile()).unwrap();
    answers.ask(&subject, "status").is(4, "unknown");
    answers.are_valid();
}

#[test]
fn a_run_in_the_foreground_ends_with_its_line() {
    let answers = Answers::default();
    for (body, code, state) in [("print a line", 0, "stopped"), ("print a line; code 3", 3, "failed")] {
        let subject = subject().body(body);
        let mut command = subject.action("--json");
        let mut answer = Answer::of({
            command.arg("run");
            command
        });
        answer.stdout = answer.stdout.strip_prefix("a line\n").expect("the body's line").to_owned();
        let answer = answers.take(&answer);
        answer.is(code, state).has_no_error().has_last_exit("exit", json!(code), Value::Null, Value::Null);
    }
    let subject = subject().body("fail the disk is full");
    let mut command = subject.action("--json");
    command.arg("run");
    let mut answer = Answer::of(command);
    assert_eq!(
        unstamped(&answer.stderr),
        "subject: the disk is full: the cause\n",
        "the log is the caller's stderr"
    );
    answer.stderr.clear();
    let message = json!("the disk is full: the cause");
    answers.take(&answer).is(1, "failed").has_last_exit("error", json!(1), Value::Null, message);
    answers.are_valid();
}

#[test]
fn a_mistake_in_the_command_line_is_a_line_too() {
    let answers = Answers::default();
    let subject = subject();
    for (arguments, begin) in [
        (&[][..], "missing action; use one of start, "),
        (&["strat"], "unknown action `strat`; use one of start, "),
        (&["--colour", "status"], "unknown option `--colour`; use one of --json, --all"),
        (&["--all", "start"], "`--all` goes with `status` and `stop` only, not with `start`"),
        (&["logs", "-f"], "`--json` does not go with `logs -f`"),
    ] {
        let answer = answers.ask_with(&subject, arguments);
        answer.is(2, "unknown");
        let error = answer["error"].as_str().expect("an error");
        assert!(error.starts_with(&format!("subject: {begin}")), "{error}");
    }
    subject.left_nothing();
    answers.are_valid();
}

#[test]
fn warnings_stay_on_stderr() {
    if !root_or_skip() {
        return;
    }
    let answers = Answers::default();
    let subject = subject().open_to_all();
    let folder = subject.pidfile().parent().unwrap().to_owned();
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = subject.action("--json");
    command.arg("start");
    let mut answer = Answer::of(command);
    assert!(answer.stderr.starts_with("subject: warning: "), "{answer:?}");
    answer.stderr.clear();
    answers.take(&answer).is(0, "running");
    answers.are_valid();
}

#[test]
fn nothing_is_told_of_another_namespaces_process() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let answers = Answers::default();
    let subject = subject();
    // `/proc` is still that of the outer namespace, with other processes under the same numbers.
    let inside = "\"$0\" start >&2 && \"$0\" --json status && \"$0\" stop >&2; exit $?";
    let mut answer = Answer::of(subject.wrapped(&["unshare", "-p", "-f", "sh", "-c", inside], "all"));
    answer.stderr.clear();
    let answer = answers.take(&answer);
    answer.is(0, "running");
    assert!(answer["pid"].is_i64(), "{answer:?}");
    for key in ["since", "uptime_seconds", "cpu_seconds", "memory_bytes", "children"] {
        assert_eq!(answer[key], Value::Null, "{key}");
    }
    answers.are_valid();
}

#[test]
fn the_times_of_a_process_do_not_depend_on_the_time_that_an_answer_takes() {
    if !strace_or_skip() {
        return;
    }
    let subject = subject().key("respawn", "on-failure").key("respawn_delay", LONG).body("fail x");
    subject.start();
    wait_until("a pause", || subject.act("status").stdout.contains("waiting to respawn"));
    let times = |mut command: Command| {
        let answer = Answer::of({
            command.arg("status");
            command
        });
        let line: Value = serde_json::from_str(answer.stdout.trim_end()).expect("JSON");
        (line["since"].clone(), line["last_exit"]["at"].clone())
    };
    let first = times(subject.action("--json"));
    assert!(first.0.is_string() && first.1.is_string(), "{first:?}");
    // The processes are listed after the supervisor has answered.
    let slow = ["-e", "inject=getdents64:delay_enter=1100000"];
    assert_eq!(times(subject.traced(&slow, "--json")), first);
    assert_eq!(times(subject.action("--json")), first);
    subject.act("stop");
}

#[test]
fn a_library_call_has_it_too() {
    let answers = Answers::default();
    let subject = Subject::new();
    let here = Daemon::new("subject").pidfile(subject.pidfile());
    let read = |outcome: &daemonic::Outcome| {
        let line = outcome.to_json();
        answers.0.lock().unwrap().push(line.clone());
        Json { code: Some(0), value: serde_json::from_str(&line).expect("JSON") }
    };
    read(&here.status().unwrap()).is(0, "stopped");
    let daemon = subject.start();
    for outcome in [here.status().unwrap(), here.reload().unwrap(), here.ensure(|| ()).unwrap()] {
        let answer = read(&outcome);
        answer.is(0, "running").has_pid(daemon);
        assert!(answer["memory_bytes"].is_u64() && answer["stdout"] == Value::Null, "{answer:?}");
        assert_eq!(answer["pidfile"], json!(subject.pidfile()));
    }
    // The times are those of the call, while the daemon lives.
    let status = here.status().unwrap();
    let stopped = here.stop().unwrap();
    read(&stopped).is(0, "stopped");
    assert_eq!(read(&status).is(0, "running")["uptime_seconds"], Value::Null);
    let outcome = here.run(|| std::process::ExitCode::from(3)).unwrap();
    read(&outcome).is(0, "failed").has_last_exit("exit", json!(3), Value::Null, Value::Null);
    assert_eq!(outcome.to_string(), "", "the text is what it was");
    answers.are_valid();
}

/// Counts the system calls of `status`, except those for memory, which may differ with the size of the program.
fn calls(subject: &Subject) -> BTreeMap<String, usize> {
    let trace = subject.path("trace");
    let _ = fs::remove_file(&trace);
    subject.act("status");
    let answer = Answer::of(subject.traced(&["-qq"], "status"));
    assert_eq!(answer.stderr, "");
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(trace).unwrap().lines() {
        let call = line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('('));
        let name = call.map_or("", |(name, _)| name);
        // A report that has not arrived yet is waited for and read again.
        if !["", "brk", "mmap", "mprotect", "munmap", "poll", "read"].contains(&name) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_status_in_text_makes_no_call_for_it() {
    if !strace_or_skip() {
        return;
    }
    for make in [|subject: Subject| subject, |subject: Subject| subject.key("respawn", "on-failure")] {
        let [with, without] = [subject(), Subject::new()].map(|subject| {
            let subject = make(subject);
            let stopped = calls(&subject);
            subject.start();
            if subject.act("status").stdout.contains("body") {
                body_of(&subject);
            }
            (stopped, calls(&subject))
        });
        assert!(with.1.values().sum::<usize>() > 20, "{with:?}");
        assert_eq!(with, without);
    }
}

#[test]
fn without_the_feature_it_is_refused() {
    let subject = Subject::new();
    assert!(program("subject").exists());
    let mut command = subject.action("--json");
    command.arg("status");
    let text = "subject: `--json` needs the feature `json` of the crate `daemonic`";
    Answer::of(command).fails(2, text);
}

#[test]
fn a_wrong_line_is_found_wrong() {
    if !tool_or_skip(&["python3", "-W", "ignore", "-c", "import jsonschema"]) {
        return;
    }
    let answers = Answers::default();
    answers.ask(&subject(), "status");
    let right = answers.0.lock().unwrap()[0].clone();
    assert_eq!(mistakes(&right), "");
    for (from, to) in [
        ("\"schema\":1", "\"schema\":2"),
        ("\"state\":\"stopped\"", "\"state\":\"running\""),
        ("\"pid\":null", "\"pid\":42"),
        ("\"respawns\":null,", ""),
        ("\"last_exit\":null", "\"last_exit\":{\"kind\":\"exit\"}"),
        ("\"last_exit\":null", "\"last_exit\":null,\"lines\":[1]"),
        ("\"last_exit\":null", "\"last_exit\":null,\"lines\":null"),
    ] {
        assert_ne!(mistakes(&right.replacen(from, to, 1)), "", "{to}");
    }
}
