//! Many callers at once, a pidfile that is replaced meanwhile, and PIDs that pass to other
//! processes: never two live bodies, never a success of `start` without a daemon, never a signal to
//! a bystander.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use common::torture::{Dice, each, say};
use common::way::reap_daemons;
use common::{Answer, Process, Subject, is_long, root_or_skip, strace_or_skip, tool_or_skip, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Returns a daemon whose body logs its PID, and holds a claim that reveals a second live body.
fn exclusive() -> Subject {
    let subject = Subject::new();
    let claim = subject.path("claim");
    // The body releases it. When that has ended, its process may still be exiting.
    subject.graceful(format!("identify; claim {}; wait; release", claim.display()))
}

/// Fails if two bodies have lived at the same time.
#[track_caller]
fn none_overlapped(subject: &Subject) {
    let overlaps = fs::read_to_string(subject.path("claim.overlap")).unwrap_or_default();
    assert_eq!(overlaps, "", "two bodies at once");
}

/// Returns the PIDs of all bodies that have begun.
fn bodies(subject: &Subject) -> Vec<Process> {
    subject.log_text().lines().filter_map(|line| line.parse().ok().map(Process)).collect()
}

#[test]
fn of_a_hundred_starts_at_once_one_wins() {
    let rounds = if is_long() { 50 } else { 3 };
    for round in 0..rounds {
        let subject = exclusive();
        if round % 2 == 1 {
            fs::write(subject.pidfile(), "4194304\n").unwrap();
        }
        let starts: Vec<_> = (0..100).map(|_| subject.action("start").spawn().unwrap()).collect();
        let answers: Vec<_> = starts.into_iter().map(Answer::from).collect();
        let (started, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status.success());
        assert_eq!(started.len(), 1, "{answers:?}");
        let daemon = started[0].started();
        for answer in refused {
            answer.fails(1, &format!("subject: already running (pid {daemon})"));
        }
        subject.act("status").runs(daemon);
        wait_until("one process", || subject.processes() == [daemon]);
        wait_until("the body", || bodies(&subject) == [daemon]);
        none_overlapped(&subject);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
        reap_daemons();
    }
    say(format_args!("a hundred starts at once: {rounds} rounds"));
}

/// The answers that many callers have received.
#[derive(Default)]
struct Tally {
    answers: Mutex<BTreeMap<String, usize>>,
    started: Mutex<Vec<Process>>,
}

impl Tally {
    fn note(&self, action: &str, answer: &Answer) {
        let started = matches!(action, "start" | "restart") && answer.status.code() == Some(0);
        if started {
            self.started.lock().unwrap().push(answer.pid());
        }
        let code = answer.status.code();
        let code = code.map_or("killed".to_owned(), |code| code.to_string());
        *self.answers.lock().unwrap().entry(format!("{action} {code}")).or_insert(0) += 1;
    }

    fn count(&self) -> usize {
        self.answers.lock().unwrap().values().sum()
    }

    /// Fails if a `start` has named a daemon whose body never began.
    #[track_caller]
    fn is_borne_out_by(&self, subject: &Subject) {
        let started = self.started.lock().unwrap();
        wait_until("a body of every daemon", || {
            let mut bodies = bodies(subject);
            started.iter().all(|daemon| {
                let at = bodies.iter().position(|body| body == daemon);
                at.map(|at| bodies.swap_remove(at)).is_some()
            })
        });
    }
}

/// Lets callers run random actions for a while. `check` receives every answer.
fn mix(
    subject: &Subject,
    callers: usize,
    time: Duration,
    dice: &Dice,
    check: impl Fn(&str, &Answer) + Sync,
) -> Tally {
    let tally = Tally::default();
    let end = Instant::now() + time;
    let numbers: Vec<_> = (0..callers).collect();
    let results = each(&numbers, callers, |number| {
        let mut dice = dice.of_round(*number);
        while Instant::now() < end {
            let action = dice.pick(&["start", "start", "stop", "restart", "status", "reload"]);
            let answer = subject.act(action);
            tally.note(action, &answer);
            check(action, &answer);
            if *number == 0 {
                reap_daemons();
            }
        }
    });
    for result in results {
        result.unwrap_or_else(|error| panic!("{error}"));
    }
    tally
}

#[test]
fn sixteen_callers_never_get_two_daemons() {
    let dice = Dice::new("sixteen callers");
    let subject = exclusive();
    let time = Duration::from_secs(if is_long() { 60 } else { 5 });
    let tally = mix(&subject, 16, time, &dice, |action, answer| {
        let refused = answer.stderr.starts_with("subject: already running (pid ");
        let fine = match (action, answer.status.code()) {
            ("start" | "restart" | "stop" | "reload", Some(0)) | ("status", Some(0 | 3)) => true,
            ("start" | "restart", Some(1)) => refused,
            // A daemon between its lock and the text of its pidfile, or between its body and its
            // end.
            ("status", Some(1)) => answer.stdout.contains("stale pidfile"),
            ("reload", Some(1)) => answer.stderr == "subject: not running\n",
            _ => false,
        };
        assert!(fine, "{action}: {answer:?}");
    });
    let stop = subject.act("stop");
    assert_eq!(stop.status.code(), Some(0), "{stop:?}");
    subject.left_nothing();
    tally.is_borne_out_by(&subject);
    none_overlapped(&subject);
    say(format_args!(
        "sixteen callers: {} actions, {} bodies: {:?}",
        tally.count(),
        bodies(&subject).len(),
        tally.answers.lock().unwrap()
    ));
    assert!(bodies(&subject).len() > 10, "too few daemons");
}

#[test]
fn a_pidfile_that_is_replaced_all_the_time_never_harms_a_bystander() {
    let dice = Dice::new("a replaced pidfile");
    // A signal that can be caught appears in its log, and any other one ends it.
    let bystander = Subject::new().graceful("event; event; event");
    let innocent = bystander.start();
    let subject = Subject::new().graceful("identify; wait");
    let is_over = AtomicBool::new(false);
    let mut replaced = 0;
    let tally = scope(|scope| {
        let vandal = scope.spawn(|| {
            let mut dice = dice.of_round(1000);
            let (pidfile, new) = (subject.pidfile(), subject.path("new"));
            let text = format!("{innocent}\n");
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let done = match dice.below(4) {
                    0 => fs::remove_file(&pidfile),
                    1 => fs::write(&new, &text).and_then(|()| fs::rename(&new, &pidfile)),
                    2 => fs::write(&new, "").and_then(|()| fs::rename(&new, &pidfile)),
                    // In place: the lock stays, and the text is wrong.
                    _ => fs::File::options()
                        .write(true)
                        .open(&pidfile)
                        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())),
                };
                count += usize::from(done.is_ok());
                sleep(Duration::from_micros(dice.below(20_000) as u64));
            }
            count
        });
        let time = Duration::from_secs(if is_long() { 60 } else { 5 });
        let result = common::torture::attempt(|| {
            mix(&subject, 8, time, &dice, |action, answer| {
                let code = answer.status.code().expect("an exit");
                assert!([0, 1, 3, 4].contains(&code), "{action}: {answer:?}");
                assert!(code == 0 || !answer.stderr.is_empty() || action == "status", "{action}: {answer:?}");
            })
        });
        is_over.store(true, Ordering::Relaxed);
        replaced = vandal.join().unwrap();
        result.unwrap_or_else(|error| panic!("{error}"))
    });
    tally.is_borne_out_by(&subject);
    // No action finds a daemon that has lost its pidfile. Each still ends by SIGTERM.
    for lost in subject.processes() {
        let _ = kill(Pid::from_raw(lost.0), Signal::SIGTERM);
    }
    wait_until("the end of all daemons", || subject.processes().is_empty());
    let daemon = subject.start();
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
    bystander.act("status").runs(innocent);
    assert_eq!(bystander.log_text(), "", "the bystander was signalled");
    say(format_args!(
        "a replaced pidfile: {replaced} times, {} actions, {} bodies: {:?}",
        tally.count(),
        bodies(&subject).len(),
        tally.answers.lock().unwrap()
    ));
    assert!(replaced > 20, "too few replacements");
}

/// In each round another process gets the daemon's PID after an action has asked for the lock's
/// holder and before it sends its signal: right after asking, or after the pidfd was opened. The
/// last line of output is the number of rounds in which this succeeded.
const RECYCLE: &str = r#"
hits=0
for round in $(seq $ROUNDS); do
    "$0" start >/dev/null || exit
    pid=$(cat "$SUBJECT_PIDFILE")
    case $((round % 3)) in 0) action=stop;; 1) action=reload;; 2) action=restart;; esac
    # Only calls about the pidfile: std looks at other descriptors in a debug build.
    case $((round % 2)) in 0) after=pidfd_open; only=;; 1) after=fcntl; only="-P $SUBJECT_PIDFILE";; esac
    trace=$SUBJECT_FOLDER/trace
    strace -o $trace $only -e inject=$after:signal=STOP:when=1 "$0" $action >/dev/null 2>&1 &
    strace=$!
    until grep -qs "stopped by SIGSTOP" $trace; do :; done
    asking=$(cat /proc/$strace/task/$strace/children)
    grep -q 'F_GETLK.*l_pid' $trace || echo "round $round: $action has not asked"
    kill -KILL $pid
    while [ -e /proc/$pid ]; do (:); done
    echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid
    sleep 1000 &
    bystander=$!
    kill -CONT $asking
    wait $strace
    kill -0 $bystander || echo "round $round: $action signalled the bystander"
    [ $bystander = $pid ] && hits=$((hits + 1))
    kill -KILL $bystander
    rm $trace
    "$0" stop >/dev/null || exit
done
echo $hits
"#;

#[test]
fn whoever_gets_the_daemons_pid_is_left_alone_again_and_again() {
    let may_choose = ["sh", "-c", "echo 1 | unshare -p -f tee /proc/sys/kernel/ns_last_pid"];
    if !root_or_skip() || !strace_or_skip() || !tool_or_skip(&may_choose) {
        return;
    }
    let rounds: u32 = if is_long() { 90 } else { 6 };
    let subject = Subject::new();
    let namespace = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", RECYCLE];
    let mut command = subject.wrapped(&namespace, "recycle");
    command.env("ROUNDS", rounds.to_string());
    let output = command.output().expect("unshare runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let hits: u32 = text
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text}{:?}", output.stderr.escape_ascii().to_string()));
    say(format_args!("recycled PIDs: {hits} in {rounds} rounds"));
    assert_eq!(hits, rounds);
}
