//! What each action costs, whatever the machine and its load: system calls by number, and instructions beside the same
//! steps written by hand.
//!
//! A time would depend on the machine. The number of calls does not, and the ratio of instructions hardly does. The
//! programs are those of `benches/peers`, built as their users build them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use common::torture::say;
use common::{available_or_skip, build, strace_or_skip, wait_for, wait_until};
use tempfile::TempDir;

/// The system calls of an action, of all its processes, up to the daemon's sleep or its end.
///
/// The calls of an empty `main`, which belong to the C library and to std, are subtracted.
const CALLS: &[(&str, &[(&str, usize)])] = &[
    ("plain", &[("start", 58), ("reload", 29), ("status", 22), ("ensure", 18), ("stop", 32)]),
    ("context", &[("start", 60), ("reload", 29), ("status", 22), ("ensure", 18), ("stop", 34)]),
    // Not `status`, which asks a repeating daemon for its runs: how often it has to look depends on the moment.
    ("repeat", &[("start", 59), ("reload", 29), ("check", 6), ("stop", 32)]),
];

/// Those of `restart`, without the end of the old daemon, which is counted with `stop`.
const CALLS_OF_RESTART: usize = 76;

/// The most instructions, as multiples of what the program written by hand executes in the same run. They are some
/// hundredths above what is counted, because the C library and the kernel have a share in it.
const MOST_OF_START: f64 = 1.35;
const MOST_OF_STATUS: f64 = 1.28;
const MOST_OF_STOP: f64 = 1.4;
const MOST_OF_PERIOD: f64 = 3.0;

#[test]
fn each_action_makes_the_system_calls_that_it_needs_and_no_other() {
    if !strace_or_skip() {
        return;
    }
    let mut wrong = Vec::new();
    for (program, actions) in CALLS {
        let place = Place::new();
        let of_empty = count(&place.trace(&["empty"]));
        // Most starts find a log.
        place.act(program, "start");
        place.act(program, "stop");
        let mut daemon = Traced::start(&place, program, "start");
        for (action, expected) in *actions {
            let client = if *action == "start" { String::new() } else { place.trace(&[program, action]) };
            let trace = client + &daemon.part(action);
            let calls = count(&trace) - of_empty;
            if calls != *expected {
                wrong.push(format!("{program} {action}: {calls} calls, not {expected}\n{trace}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_restart_makes_the_system_calls_that_it_needs_and_no_other() {
    if !strace_or_skip() {
        return;
    }
    let place = Place::new();
    place.act("plain", "start");
    let mut daemon = Traced::start(&place, "plain", "restart");
    let trace = daemon.part("restart");
    place.act("plain", "stop");
    daemon.part("stop");
    assert_eq!(count(&trace) - count(&place.trace(&["empty"])), CALLS_OF_RESTART, "{trace}");
}

#[test]
fn a_period_makes_one_system_call_beside_the_work() {
    if !strace_or_skip() {
        return;
    }
    let place = Place::new();
    let calls = |runs: &str| count(&place.trace(&["beat", "ours", "5000", runs, "0"]));
    let more = calls("110") - calls("10");
    // A run that is late is not waited for, so even the shorter trace may lack some calls.
    assert!((1..110).contains(&more), "{more} calls in 100 periods");
}

#[test]
fn start_and_status_execute_hardly_more_instructions_than_by_hand() {
    if !callgrind_or_skip() {
        return;
    }
    let place = Place::new();
    check("start", MOST_OF_START, || {
        ratio(["by_hand", "plain"], |program| {
            let launcher = place.instructions(&[program, "start"]);
            let daemon = place.pid();
            place.act(program, "stop");
            launcher + place.instructions_of(&daemon)
        })
    });
    check("status", MOST_OF_STATUS, || {
        ratio(["by_hand", "plain"], |program| {
            place.act(program, "start");
            let status = place.instructions(&[program, "status"]);
            place.act(program, "stop");
            status
        })
    });
}

#[test]
fn a_period_executes_hardly_more_instructions_than_a_loop_by_hand() {
    if !callgrind_or_skip() {
        return;
    }
    let place = Place::new();
    check("a period", MOST_OF_PERIOD, || {
        ratio(["absolute", "ours"], |form| {
            let instructions = |runs: &str| place.instructions(&["beat", form, "5000", runs, "0"]);
            instructions("210") - instructions("10")
        })
    });
}

/// Debian's valgrind does not know pidfds, so the processor must count here.
#[test]
fn stop_executes_hardly_more_instructions_than_by_hand() {
    let place = Place::new();
    let stop = |program| {
        place.act(program, "start");
        let counted = place.instructions_by_processor(&[program, "stop"]);
        if counted.is_none() {
            place.act(program, "stop");
        }
        counted
    };
    if stop("by_hand").is_some() {
        check("stop", MOST_OF_STOP, || {
            ratio(["by_hand", "plain"], |program| stop(program).expect("a counter"))
        });
    } else {
        // Many virtual machines have no such counter.
        say(
            "not counted: the instructions of `stop`, because `perf stat -e instructions:u` has no counter here",
        );
    }
}

/// Returns the ratio of what the second one of two executes to what the first one does.
fn ratio<'a>(pair: [&'a str; 2], instructions: impl Fn(&'a str) -> f64) -> f64 {
    let [by_hand, ours] = pair.map(instructions);
    ours / by_hand
}

/// Fails if a ratio is more than this each time. On a busy machine, a program looks and waits more often.
#[track_caller]
fn check(what: &str, most: f64, measure: impl Fn() -> f64) {
    const ATTEMPTS: usize = 3;
    let mut ratios = Vec::new();
    while ratios.len() < ATTEMPTS {
        let ratio = measure();
        say(format_args!("{what}: {ratio:.3} of the instructions by hand"));
        if ratio <= most {
            return;
        }
        ratios.push(ratio);
    }
    panic!("{what}: {ratios:.3?} of the instructions by hand, not {most} at most");
}

fn callgrind_or_skip() -> bool {
    let valgrind = Command::new("valgrind").arg("--version").output();
    available_or_skip("valgrind", valgrind.is_ok_and(|output| output.status.success()))
}

/// Returns the path of a program of `benches/peers`, as a release.
fn program(name: &str) -> &'static Path {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| build(&["--release", "--package", "daemonic-peers", "--bins"]));
    programs.iter().find(|path| path.ends_with(name)).expect("a program of that name")
}

/// A directory with the files of one daemon.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn pid(&self) -> String {
        wait_for("the pidfile", || {
            let text = fs::read_to_string(self.path("d.pid")).ok()?;
            text.strip_suffix('\n').map(str::to_owned)
        })
    }

    /// Makes the command of a tool that runs a program with the directory as its last argument.
    ///
    /// What a caller has open, or ignores, would cost the daemon further calls.
    fn command(&self, tool: &[&str], words: &[&str]) -> Command {
        const CLEAN: &str = r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd < 3)) || eval "exec $fd>&-"; done; exec "$@""#;
        let mut command = Command::new("env");
        command.args(["--default-signal", "bash", "-c", CLEAN, "bash"]).args(tool);
        command.arg(program(words[0])).args(&words[1..]).arg(self.directory.path());
        // cargo's own path for libraries would cost the dynamic loader hundreds of calls.
        command.env_remove("LD_LIBRARY_PATH");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn act(&self, program: &str, action: &str) {
        let status = self.command(&[], &[program, action]).status().expect("the program runs");
        assert!(status.success(), "{program} {action}: {status}");
    }

    fn strace(&self, trace: &Path, words: &[&str]) -> Child {
        let trace = trace.to_str().expect("text");
        self.command(&["strace", "-f", "-o", trace], words).spawn().expect("strace runs")
    }

    /// Returns the calls of a program that leaves no daemon.
    fn trace(&self, words: &[&str]) -> String {
        let trace = self.path("trace");
        assert!(self.strace(&trace, words).wait().expect("a child").success(), "{words:?}");
        fs::read_to_string(trace).expect("a trace")
    }

    /// Returns the instructions of a program, without those of the daemon that it leaves.
    fn instructions(&self, words: &[&str]) -> f64 {
        let counts = format!("--callgrind-out-file={}", self.path("%p.counts").display());
        let mut valgrind = self.command(&["valgrind", "--tool=callgrind", &counts], words);
        let mut valgrind = valgrind.spawn().expect("valgrind runs");
        let pid = valgrind.id().to_string();
        assert!(valgrind.wait().expect("a child").success(), "{words:?}");
        self.instructions_of(&pid)
    }

    /// Returns the instructions of a process that has ended under valgrind, with those before its fork.
    fn instructions_of(&self, pid: &str) -> f64 {
        wait_for("the count", || {
            let text = fs::read_to_string(self.path(&format!("{pid}.counts"))).ok()?;
            text.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok())
        })
    }

    /// Returns what the processor counts, if it can.
    fn instructions_by_processor(&self, words: &[&str]) -> Option<f64> {
        let counts = self.path("counts");
        let perf = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", counts.to_str()?, "true"];
        let is_able = Command::new(perf[0]).args(&perf[1..]).status().is_ok_and(|status| status.success());
        let count = || {
            fs::read_to_string(&counts).ok()?.lines().find_map(|line| line.split(',').next()?.parse().ok())
        };
        let _: f64 = is_able.then(count)??;
        assert!(self.command(&perf[..perf.len() - 1], words).status().is_ok_and(|status| status.success()));
        count()
    }
}

/// A daemon whose calls are recorded.
struct Traced {
    strace: Child,
    trace: PathBuf,
    /// How much of the trace belongs to earlier actions.
    seen: usize,
}

impl Traced {
    fn start(place: &Place, program: &str, action: &str) -> Self {
        let trace = place.path("daemon");
        Self { strace: place.strace(&trace, &[program, action]), trace, seen: 0 }
    }

    /// Waits until the daemon has carried out an action, and returns the calls of that time.
    fn part(&mut self, action: &str) -> String {
        if action == "stop" {
            wait_until("the end of strace", || self.strace.try_wait().expect("a child").is_some());
        }
        let is_silent = matches!(action, "status" | "ensure" | "check");
        // A call that begins may also return at once, so the trace must stay as it is for some looks.
        let (mut length, mut looks) = (0, 0);
        let text = wait_for("the daemon's sleep", || {
            let text = fs::read_to_string(&self.trace).ok()?;
            looks = if text.len() == length { looks + 1 } else { 0 };
            length = text.len();
            let is_over = length > self.seen && only_daemon_is_left(&text) && looks > 10;
            (is_over || is_silent || action == "stop").then_some(text)
        });
        let part = text[self.seen..].to_owned();
        self.seen = text.len();
        part
    }
}

impl Drop for Traced {
    /// Ends the daemon together with strace.
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Returns whether all processes of a trace have ended but one, which sleeps.
fn only_daemon_is_left(trace: &str) -> bool {
    let last: BTreeMap<&str, &str> = trace.lines().filter_map(|line| line.split_once(' ')).collect();
    let sleeps = |call: &str| ["pause(", "FUTEX_WAIT_BITSET"].iter().any(|name| call.contains(name));
    let alive = last.into_values().filter(|call| !call.contains("+++ exited"));
    alive.map(|call| sleeps(call) && !call.contains(" = ")).eq([true])
}

/// Counts the calls in a trace of several processes. A call that the kernel makes again after a signal counts once.
fn count(trace: &str) -> usize {
    let is_call = |line: &&str| {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        let name = call.split_once('(').map_or("", |(name, _)| name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_repeated = |line: &&str| line.contains("= ? ERESTARTSYS");
    trace.lines().filter(is_call).count() - trace.lines().filter(is_repeated).count()
}
