//! `respawn`: the lives of a body, the pauses between them, and what is said of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::notice::Notice;
use common::{Answer, Process, Subject, program, tool_or_skip, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A time that no test lives through, in milliseconds.
const LONG: &str = "3600000";

/// A daemon that respawns after a failure, with short pauses.
pub fn respawning() -> Subject {
    Subject::new().key("respawn", "on-failure").key("respawn_delay", "20")
}

/// Waits until `status` names a process of the body that is ready, and returns it.
#[track_caller]
pub fn body_of(subject: &Subject) -> Process {
    wait_for("a body", || {
        let answer = subject.act("status");
        let (_, rest) = answer.stdout.strip_prefix("subject: running (pid ")?.split_once("; body ")?;
        rest.split(' ').next()?.parse().ok().map(Process)
    })
}

/// Returns what `status` says, with `T` for every time, and without the runs of a repeating body.
#[track_caller]
pub fn status(subject: &Subject) -> String {
    let answer = subject.act("status");
    assert_eq!((answer.status.code(), &*answer.stderr), (Some(0), ""), "{answer:?}");
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ')', '\n']);
        let is_time =
            bare.strip_suffix('s').is_some_and(|digits| digits.parse::<u32>().is_ok_and(|time| time < 60));
        if is_time { word.replacen(bare, "T", 1) } else { word.to_owned() }
    };
    let text = answer.stdout.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" ");
    let is_about_runs = |at: &usize| {
        let (count, rest) = text[at + 2..].split_once(' ').unwrap_or_default();
        count.parse::<u64>().is_ok() && rest.starts_with("run")
    };
    let runs = text.match_indices("; ").map(|(at, _)| at).find(is_about_runs);
    runs.map_or_else(|| text.clone(), |at| format!("{})", &text[..at]))
}

/// Waits until `status` says that the daemon waits, for this reason.
#[track_caller]
fn waits(subject: &Subject, daemon: Process, reason: &str) {
    wait_until("the pause", || subject.act("status").stdout.contains("waiting"));
    let answer = subject.act("status");
    let text = answer.stdout.strip_prefix(&format!("subject: waiting to respawn (pid {daemon}, in "));
    let rest = text.and_then(|text| text.split_once("; last ")).unwrap_or_else(|| panic!("{answer:?}")).1;
    let (ago, rest) = rest.split_once(" ago: ").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(ago.ends_with('s') && answer.status.code() == Some(0), "{answer:?}");
    assert_eq!(rest, format!("{reason})\n"));
}

/// Returns the pauses and the reasons of the lines in the log.
pub fn respawns(log: &str) -> Vec<(&str, &str)> {
    let messages = log.lines().map(|line| Notice::parse(line).map_or(line, |notice| notice.message));
    let lines = messages.filter_map(|message| message.strip_prefix("subject: respawning in "));
    lines.map(|line| line.split_once(": ").expect("a reason")).collect()
}

/// Waits for some lines about a respawn.
#[track_caller]
fn log_with_respawns(subject: &Subject, count: usize) -> String {
    wait_until(format_args!("{count} respawns"), || respawns(&subject.log_text()).len() >= count);
    subject.log_text()
}

#[track_caller]
fn stop(subject: &Subject, daemon: Process) {
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

/// The body fails once, and lives from then on.
fn failing_once(subject: Subject, end: &str) -> Vec<Subject> {
    let once = subject.path("once").display().to_string();
    let twice = subject.path("twice").display().to_string();
    drop(subject);
    // The handler of Rust's runtime takes the first signal for a fault of its own, and returns.
    let script = format!("once {once} {end}; once {twice} {end}; print lived");
    let folder = Path::new(&once).parent().unwrap();
    let fresh = |form: fn(Subject, String) -> Subject| {
        let subject = respawning();
        let script = script.replace(folder.to_str().unwrap(), subject.path("").to_str().unwrap());
        form(subject, script)
    };
    vec![
        fresh(|subject, script| subject.body(format!("{script}; park"))),
        fresh(|subject, script| subject.graceful(format!("{script}; wait"))),
        fresh(|subject, script| subject.every(3_600_000, script)),
        fresh(|subject, script| {
            subject.graceful(format!("ready; {script}; wait")).key("wait_ready", "20000")
        }),
    ]
}

#[test]
fn a_body_that_fails_gets_another_life() {
    for (end, reason) in [
        ("fail the disk is full", "exit 1: the disk is full: the cause"),
        ("code 9", "exit 9"),
        #[cfg(target_env = "gnu")]
        ("exit 7", "exit 7"),
        ("raise SIGKILL", "killed by SIGKILL"),
        ("raise SIGUSR1", "killed by SIGUSR1"),
        ("abort", "killed by SIGABRT"),
    ] {
        for subject in failing_once(Subject::new(), end) {
            let daemon = subject.start();
            let log = subject.log_with("lived");
            assert_eq!(respawns(&log), [("20ms", reason), ("40ms", reason)], "{log}");
            let body = body_of(&subject);
            assert_ne!(body, daemon);
            assert_eq!(body.parent(), Some(daemon));
            let expected = format!(
                "subject: running (pid {daemon}, up T; body {body} up T, respawned 2 times, last T ago: {reason})"
            );
            assert_eq!(status(&subject), expected);
            assert_eq!(subject.pid_text(), format!("{daemon}\n"));
            stop(&subject, daemon);
            assert_eq!(respawns(&subject.log_text()).len(), 2);
        }
    }
}

#[test]
fn a_body_that_panics_gets_another_life() {
    for subject in failing_once(Subject::new(), "panic all is lost") {
        let daemon = subject.start();
        let log = subject.log_with("lived");
        for (_, reason) in respawns(&log) {
            let place = reason.strip_prefix("exit 101: panicked at ").unwrap_or_else(|| panic!("{log}"));
            assert!(place.contains("src/bin/subject.rs:") && place.ends_with(": all is lost"), "{log}");
        }
        assert_eq!(respawns(&log).len(), 2);
        assert!(status(&subject).ends_with(": all is lost)"), "{}", status(&subject));
        stop(&subject, daemon);
    }
}

#[test]
fn the_reason_is_not_lost_behind_other_messages() {
    let subject = Subject::new().key("respawn", "on-failure").key("respawn_delay", "3600000");
    let events = "event; ".repeat(12);
    let subject = subject.graceful(format!("print up; {events}fail broken"));
    let daemon = subject.start();
    subject.log_with("up");
    let body = Process(daemon.children().trim().parse().unwrap());
    // A busy machine does that too.
    daemon.signal(Signal::SIGSTOP);
    for count in 1..=12 {
        body.signal(Signal::SIGHUP);
        wait_until("the reload", || subject.log_text().matches("Reload\n").count() == count);
    }
    wait_until("the end of the body", || body.status("State").starts_with('Z'));
    daemon.signal(Signal::SIGCONT);
    waits(&subject, daemon, "exit 1: broken: the cause");
    stop(&subject, daemon);
}

#[test]
fn a_body_that_a_fault_kills_gets_another_life() {
    for subject in failing_once(Subject::new(), "raise SIGSEGV") {
        let daemon = subject.start();
        let log = subject.log_with("lived");
        // The handler of Rust's runtime takes the first signal for none, and the second one kills.
        assert_eq!(respawns(&log), [("20ms", "killed by SIGSEGV")]);
        let text = status(&subject);
        assert!(text.ends_with(", respawned 1 time, last T ago: killed by SIGSEGV)"), "{text}");
        stop(&subject, daemon);
    }
}

#[test]
fn a_body_that_somebody_kills_gets_another_life() {
    let subject = respawning().graceful("print lived; wait");
    let daemon = subject.start();
    let mut bodies = vec![body_of(&subject)];
    for signal in [Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGBUS] {
        let last = *bodies.last().unwrap();
        wait_until("the end of the body", || {
            // The handler of Rust's runtime takes the first one for none.
            let _ = kill(Pid::from_raw(last.0), signal);
            !last.is_alive()
        });
        wait_until("another body", || !bodies.contains(&body_of(&subject)));
        bodies.push(body_of(&subject));
        let text = status(&subject);
        assert!(text.ends_with(&format!("last T ago: killed by {signal})")), "{text}");
    }
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    stop(&subject, daemon);
}

#[test]
fn a_body_that_ends_well_gets_no_other_life() {
    for end in ["", "code 0", "exit 0"] {
        let subject = respawning().body(end);
        assert_eq!(subject.start().exit_code(), 0, "{end}");
        subject.left_nothing();
        assert_eq!(subject.log_text(), "", "{end}");
    }
    let subject = respawning().every(1, "print ran").key("times", "3");
    assert_eq!(subject.start().exit_code(), 0);
    subject.left_nothing();
    assert_eq!(subject.log_text(), "ran\nran\nran\n");
}

#[test]
fn a_body_that_a_stop_signal_ends_gets_no_other_life() {
    for signal in [Signal::SIGTERM, Signal::SIGUSR2, Signal::SIGINT] {
        let subjects = [
            respawning().body("print up; park"),
            respawning().graceful("print up; wait"),
            respawning().every(3_600_000, "print up"),
        ];
        for subject in subjects {
            let subject = subject.key("stop_signal", "SIGUSR2");
            let daemon = subject.start();
            subject.log_with("up");
            body_of(&subject).signal(signal);
            daemon.wait_until_gone();
            subject.left_nothing();
            assert_eq!(respawns(&subject.log_text()), []);
        }
    }
}

#[test]
fn always_gives_another_life_after_every_end() {
    for (end, reason) in [
        ("print over", "exit 0"),
        ("exit 0", "exit 0"),
        ("fail x", "exit 1: x: the cause"),
        ("raise SIGTERM", "killed by SIGTERM"),
    ] {
        let subject = respawning().key("respawn", "always").key("respawn_limit", "0").body(end);
        let daemon = subject.start();
        let log = log_with_respawns(&subject, 3);
        let expected = [("20ms", reason), ("40ms", reason), ("80ms", reason)];
        assert_eq!(respawns(&log)[..3], expected, "{log}");
        stop(&subject, daemon);
    }
}

#[test]
fn without_respawn_a_supervised_body_has_one_life() {
    for respawn in [None, Some("never")] {
        let subject = Subject::new().key("children", "end").body("print life; fail x");
        let subject = respawn.into_iter().fold(subject, |subject, value| subject.key("respawn", value));
        assert_eq!(subject.start().exit_code(), 1);
        subject.left_a_reason();
        assert_eq!(subject.log_text(), "life\nsubject: x: the cause\n");
        let answer = subject.act("status");
        assert_eq!(answer.status.code(), Some(1));
        assert!(answer.stdout.ends_with(" ago (exit 1): x: the cause\n"), "{answer:?}");
    }
}

#[test]
fn pauses_double_up_to_the_longest() {
    let subject = respawning().key("respawn_limit", "0").body("stamp; fail x");
    let daemon = subject.start();
    let log = log_with_respawns(&subject, 9);
    let (pauses, _): (Vec<_>, Vec<_>) = respawns(&log)[..9].iter().copied().unzip();
    let expected = ["20ms", "40ms", "80ms", "160ms", "320ms", "640ms", "1s 200ms", "1s 200ms", "1s 200ms"];
    assert_eq!(pauses, expected);
    // The lives began as far apart as the lines say.
    let begins: Vec<u64> = log.lines().filter_map(|line| line.parse().ok()).collect();
    for (pair, least) in begins.windows(2).zip([20, 40, 80, 160, 320, 640, 1_200, 1_200]) {
        assert!(pair[1] - pair[0] >= least * 1_000_000, "{least} ms in {log}");
    }
    stop(&subject, daemon);
}

#[test]
fn a_long_life_resets_the_pause_and_the_count_of_failures() {
    let subject = respawning().key("respawn_delay", "10").key("respawn_limit", "4");
    let once = |name: &str| format!("once {} fail {name}", subject.path(name).display());
    let steps = ["a", "b", "c"].map(once).join("; ");
    let script = format!("{steps}; sleep 700; {}; {}; park", once("d"), once("e"));
    let subject = subject.body(script);
    let daemon = subject.start();
    let log = log_with_respawns(&subject, 5);
    let (pauses, reasons): (Vec<_>, Vec<_>) = respawns(&log).into_iter().unzip();
    assert_eq!(pauses, ["10ms", "20ms", "40ms", "10ms", "10ms"]);
    assert_eq!(reasons, ["a", "b", "c", "d", "e"].map(|name| format!("exit 1: {name}: the cause")));
    stop(&subject, daemon);
}

#[test]
fn the_limit_ends_the_daemon_with_the_last_code() {
    for (end, code, reason) in [
        ("fail x", 1, " (exit 1): x: the cause"),
        ("code 9", 9, " (exit 9)"),
        ("raise SIGKILL", 137, ": killed by SIGKILL"),
    ] {
        let subject = respawning().key("respawn_delay", "50").key("respawn_limit", "3");
        let subject = subject.body(format!("print life; {end}"));
        let daemon = subject.start();
        assert_eq!(daemon.exit_code(), code);
        subject.left_a_reason();
        let log = subject.log_text();
        assert_eq!(log.matches("life\n").count(), 3, "{log}");
        assert!(log.lines().last().unwrap().starts_with("subject: giving up after 3 failures: "), "{log}");
        assert!(subject.pid_text().starts_with(&format!("{daemon}\nfailed ")));
        let answer = subject.act("status");
        assert_eq!(answer.status.code(), Some(1));
        assert!(answer.stdout.ends_with(&format!(" ago{reason}\n")), "{answer:?}");
        // The next start clears it, and counts from nought.
        let subject = subject.body("park");
        let daemon = subject.start();
        stop(&subject, daemon);
    }
}

#[test]
fn a_limit_of_one_gives_no_other_life() {
    let subject = respawning().key("respawn_limit", "1").body("print life; fail x");
    assert_eq!(subject.start().exit_code(), 1);
    subject.left_a_reason();
    let expected = "life\nsubject: x: the cause\nsubject: giving up after 1 failure: exit 1: x: the cause\n";
    assert_eq!(subject.log_text(), expected);
}

#[test]
fn the_default_limit_is_ten_and_nought_is_none() {
    let subject = respawning().key("respawn_delay", "10").body("print life; code 3");
    assert_eq!(subject.start().exit_code(), 3);
    assert_eq!(subject.log_text().matches("life\n").count(), 10);
    let subject = subject.key("respawn_limit", "0").key("respawn_delay", "1");
    let daemon = subject.start();
    log_with_respawns(&subject, 9 + 15);
    stop(&subject, daemon);
}

#[test]
fn a_stop_during_a_pause_returns_at_once() {
    let end: [fn(&Subject, Process); 3] = [
        |subject, daemon| stop(subject, daemon),
        |_, daemon| daemon.signal(Signal::SIGTERM),
        |subject, daemon| {
            let next = subject.act("restart");
            assert_eq!(next.status.code(), Some(0), "{next:?}");
            assert_ne!(next.pid(), daemon);
            waits(subject, next.pid(), "exit 1: x: the cause");
            stop(subject, next.pid());
        },
    ];
    for end in end {
        // The longest number of milliseconds is more than the clock can reach.
        for delay in [LONG, "18446744073709551615"] {
            let subject = respawning().key("respawn_delay", delay).body("fail x");
            let daemon = subject.start();
            wait_until("the pause", || subject.act("status").stdout.contains("waiting"));
            let begin = Instant::now();
            end(&subject, daemon);
            assert_eq!(daemon.exit_code(), 0, "a stop is no failure");
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
            subject.left_nothing();
        }
    }
}

#[test]
fn a_pause_is_shown_with_what_is_left_of_it() {
    let subject = respawning().key("respawn_delay", LONG).body("fail x");
    let daemon = subject.start();
    waits(&subject, daemon, "exit 1: x: the cause");
    let answer = subject.act("status");
    let left = answer.stdout.split_once(", in ").unwrap().1.split_once(';').unwrap().0;
    assert!(left == "1h" || left.starts_with("59m "), "{answer:?}");
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    assert_eq!(subject.processes(), [daemon]);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    // A reload reaches nobody but the log.
    fs::rename(subject.log(), subject.path("old")).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    wait_until("the new log", || subject.log().exists());
    waits(&subject, daemon, "exit 1: x: the cause");
    stop(&subject, daemon);
}

#[test]
fn ensure_waits_for_the_next_life() {
    let subject = respawning().key("respawn_delay", "3000");
    let once = subject.path("once").display().to_string();
    let script = format!("once {once} fail x; print lived; ready; wait");
    for ready in [false, true] {
        let subject = respawning().key("respawn_delay", "3000");
        let script = script.replace(&once, subject.path("once").to_str().unwrap());
        let subject = if ready {
            subject.graceful(format!("ready; {script}")).key("wait_ready", "20000")
        } else {
            subject.graceful(script)
        };
        let daemon = subject.start();
        waits(&subject, daemon, "exit 1: x: the cause");
        subject.act("ensure").says(0, &format!("subject: already running (pid {daemon})"));
        let text = status(&subject);
        assert!(text.starts_with("subject: running ") && text.contains("respawned 1 time"), "{text}");
        subject.log_with("lived");
        stop(&subject, daemon);
    }
}

#[test]
fn a_later_life_is_starting_until_it_is_ready() {
    let subject = respawning().key("wait_ready", "20000");
    let (once, go) = (subject.path("once"), subject.path("go"));
    let (once, go) = (once.display(), go.display());
    let script = format!("once {once} ready; once {once}2 fail x; until {go}; ready; print lived; wait");
    let subject = subject.graceful(script);
    let daemon = subject.start();
    subject.log_with(&format!("until {go}"));
    let text = status(&subject);
    assert!(text.starts_with(&format!("subject: starting (pid {daemon}, up T; body ")), "{text}");
    assert!(text.ends_with(", respawned 1 time, last T ago: exit 1: x: the cause)"), "{text}");
    fs::write(subject.path("go"), "").unwrap();
    subject.log_with("lived");
    assert_ne!(body_of(&subject), daemon);
    stop(&subject, daemon);
}

#[test]
fn before_the_first_readiness_nothing_is_respawned() {
    for respawn in ["on-failure", "always"] {
        for (end, reason) in [
            ("fail no port is free", "no port is free: the cause"),
            ("exit 7", "exited before it was ready"),
            ("code 0", "returned before it was ready"),
            ("code 9", "returned before it was ready"),
            ("raise SIGKILL", "killed by SIGKILL before it was ready"),
        ] {
            let script = format!("print life; {end}");
            let reporting = respawning().graceful(&script).key("wait_ready", "20000");
            let living = respawning().body(&script).key("wait_alive", "20000");
            for subject in [reporting, living] {
                let subject = subject.key("respawn", respawn);
                subject.act("start").fails(1, &format!("subject: failed to start: {reason}"));
                subject.left_nothing();
                subject.act("status").says(3, "subject: not running");
                let log = subject.log_text();
                assert_eq!((log.matches("life\n").count(), respawns(&log)), (1, vec![]), "{log}");
            }
        }
    }
}

#[test]
fn a_panic_before_the_first_readiness_fails_the_start() {
    for subject in [
        respawning().graceful("panic no port is free").key("wait_ready", "20000"),
        respawning().body("panic no port is free").key("wait_alive", "20000"),
        respawning().every(5, "").key("setup", "panic no port is free"),
    ] {
        let answer = subject.act("start");
        assert_eq!(answer.status.code(), Some(1));
        assert!(answer.stderr.starts_with("subject: failed to start: panicked"), "{answer:?}");
        assert!(answer.stderr.ends_with(": no port is free\n"), "{answer:?}");
        subject.left_nothing();
        assert_eq!(respawns(&subject.log_text()), []);
    }
}

#[test]
fn a_body_that_cannot_be_called_fails_the_start() {
    let setup = respawning().every(10, "print ran").key("setup", "print setup; fail no state");
    setup.act("start").fails(1, "subject: failed to start: no state: the cause");
    let folder = respawning().key("working_directory", "/no/such/folder");
    folder.act("start").fails_naming(1, &["failed to start: ", "working_directory /no/such/folder"]);
    let user = respawning().key("user", "nosuchuser");
    user.act("start").fails_naming(1, &["nosuchuser"]);
    for subject in [setup, folder, user] {
        subject.left_nothing();
        assert_eq!(respawns(&subject.log_text()), []);
    }
}

#[test]
fn a_body_that_has_lived_long_enough_is_respawned() {
    let subject = respawning().key("wait_alive", "50");
    let (once, go) = (subject.path("once"), subject.path("go"));
    let script = format!("once {} until {}; once {0}2 fail x; park", once.display(), go.display());
    let subject = subject.body(script);
    let daemon = subject.start();
    fs::write(go, "").unwrap();
    let log = log_with_respawns(&subject, 1);
    assert_eq!(respawns(&log), [("20ms", "exit 1: x: the cause")]);
    body_of(&subject);
    stop(&subject, daemon);
}

#[test]
fn a_wait_for_readiness_that_is_over_ends_both_processes() {
    let subject = respawning().key("wait_ready", "200").graceful("print up; park");
    let answer = subject.act("start");
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    subject.leaves_nothing();
    assert_eq!(respawns(&subject.log_text()), []);
}

#[test]
fn the_setup_is_evaluated_again_for_each_life() {
    let subject = respawning();
    let (once, kept) = (subject.path("once"), subject.path("kept"));
    let subject = subject.every(3_600_000, format!("once {} fail x; print again", once.display()));
    let subject = subject.key("setup", "print setup; identify").key("kept", &kept);
    let daemon = subject.start();
    let log = subject.log_with("again");
    let lives: Vec<&str> = log.split("setup\n").skip(1).collect();
    assert_eq!(lives.len(), 2, "{log}");
    let bodies = [0, 1].map(|at| lives[at].lines().next().unwrap().parse().map(Process).unwrap());
    assert!(bodies[0] != bodies[1] && !bodies.contains(&daemon), "{log}");
    assert!(lives.iter().all(|life| life.lines().nth(1) == Some("run 1")), "{log}");
    // The first one was dropped in its own process.
    assert_eq!(fs::read_to_string(&kept).unwrap(), format!("{}\n", bodies[0]));
    assert_eq!(body_of(&subject), bodies[1]);
    stop(&subject, daemon);
}

#[test]
fn a_setup_that_fails_in_a_later_life_is_a_failure() {
    let subject = respawning().key("respawn_limit", "3");
    let made = subject.path("made").display().to_string();
    // The file of the first life is in the way of the others.
    let subject = subject.every(5, "fail first").key("setup", format!("make {made}"));
    let daemon = subject.start();
    assert_eq!(daemon.exit_code(), 101);
    subject.left_a_reason();
    let log = subject.log_text();
    let respawns = respawns(&log);
    assert_eq!((respawns.len(), respawns[0]), (2, ("20ms", "exit 1: first: the cause")), "{log}");
    assert!(respawns[1].1.starts_with("exit 101: panicked"), "{log}");
    assert!(log.contains("subject: giving up after 3 failures: exit 101: panicked"), "{log}");
}

#[test]
fn on_error_decides_first_about_an_error_of_one_run() {
    for end in ["fail x", "panic x"] {
        let subject = respawning().key("on_error", "continue");
        let once = subject.path("once");
        let subject = subject.every(5, format!("identify; once {} {end}; print again", once.display()));
        let daemon = subject.start();
        let log = subject.log_with("again");
        let mut bodies: Vec<u32> = log.lines().filter_map(|line| line.parse().ok()).collect();
        bodies.dedup();
        assert_eq!((bodies.len(), respawns(&log)), (1, vec![]), "{log}");
        let text = status(&subject);
        assert!(text.ends_with(" up T)") && !text.contains("respawned"), "{text}");
        stop(&subject, daemon);
    }
}

#[test]
fn what_the_body_captures_is_dropped_once_by_the_supervisor() {
    let dropped = |subject: &Subject| fs::read_to_string(subject.path("guard")).unwrap_or_default();
    for end in ["fail x", "panic x", "exit 3", "raise SIGKILL", "code 0"] {
        // It ends by the limit, by a stop in a life, and by a stop in a pause.
        for (delay, limit, last) in [("5", "3", end), ("5", "3", "park"), (LONG, "3", end)] {
            let subject = respawning().key("respawn", "always").key("respawn_delay", delay);
            let (guard, once) = (subject.path("guard"), subject.path("once"));
            let subject = subject.key("respawn_limit", limit).key("guard", &guard);
            let subject = subject.body(format!("once {} {end}; print last; {last}", once.display()));
            let daemon = subject.start();
            match (delay, last) {
                (LONG, _) => wait_until("a pause", || !respawns(&subject.log_text()).is_empty()),
                (_, "park") => drop(subject.log_with("last")),
                _ => wait_until("the last lives", || respawns(&subject.log_text()).len() > 1),
            }
            if last == "park" || delay == LONG {
                assert_eq!(dropped(&subject), "", "{end}: it is still in use");
            }
            daemon_ends(&subject, daemon);
            assert_eq!(dropped(&subject), format!("{daemon}\n"), "{end}, {delay}, {last}");
        }
    }
}

/// Stops a daemon that may end by itself.
fn daemon_ends(subject: &Subject, daemon: Process) {
    // Without a value of its own to drop.
    let mut stop = subject.action("stop");
    stop.env_remove("SUBJECT_GUARD");
    assert_eq!(Answer::of(stop).status.code(), Some(0));
    daemon.wait_until_gone();
}

#[test]
fn what_the_body_captures_is_dropped_once_if_the_start_fails() {
    let made: [fn(Subject) -> Subject; 3] = [
        |subject| subject.graceful("fail x").key("wait_ready", "20000"),
        |subject| subject.every(10, "").key("setup", "fail x"),
        |subject| subject.key("working_directory", "/no/such/folder"),
    ];
    for make in made {
        for respawn in ["never", "on-failure"] {
            let subject = make(respawning()).key("respawn", respawn).key("children", "end");
            let guard = subject.path("guard");
            let subject = subject.key("guard", &guard);
            assert_eq!(subject.act("start").status.code(), Some(1));
            assert_eq!(fs::read_to_string(&guard).unwrap().lines().count(), 1, "{respawn}");
            subject.left_nothing();
        }
    }
}

#[test]
fn a_function_with_values_has_them_anew_in_each_life() {
    let subject = respawning();
    let start = |action| {
        let mut command = subject.command(program("lives"));
        command.arg(action);
        Answer::of(command)
    };
    let daemon = start("start").started();
    let log = log_with_respawns(&subject, 3);
    let (pauses, reasons): (Vec<_>, Vec<_>) = respawns(&log)[..3].iter().copied().unzip();
    assert_eq!((pauses, reasons), (vec!["10ms", "20ms", "40ms"], vec!["exit 0"; 3]));
    let lives: Vec<_> = log.lines().filter(|line| !line.starts_with("subject: ")).collect();
    assert!(lives.len() >= 3 && lives.iter().all(|life| *life == "text! 1"), "{log}");
    start("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    daemon.wait_until_gone();
    subject.left_nothing();
}

#[test]
fn a_caller_that_ignores_the_ends_of_children_has_the_lives_too() {
    if !tool_or_skip(&["env", "--ignore-signal=CHLD", "true"]) {
        return;
    }
    let subject = respawning();
    let once = subject.path("once");
    let subject = subject.body(format!("once {} code 9; print lived; park", once.display()));
    let daemon = Answer::of(subject.wrapped(&["env", "--ignore-signal=CHLD"], "start")).started();
    assert_eq!(respawns(&subject.log_with("lived")), [("20ms", "exit 9")]);
    stop(&subject, daemon);
    let subject = respawning().key("nocldwait", "");
    let once = subject.path("once");
    let subject = subject.body(format!("once {} code 9; print lived; park", once.display()));
    let daemon = subject.start();
    assert_eq!(respawns(&subject.log_with("lived")), [("20ms", "exit 9")]);
    stop(&subject, daemon);
}
