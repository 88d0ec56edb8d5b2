//! What a daemon reports about itself: lines in its log, or events for a subscriber of `tracing`.

use std::fs;
use std::process::Command;

use common::async_programs::Service;
use common::notice::Notice;
use common::{Answer, Process, Subject, tool_or_skip, wait_for, wait_until};
use nix::sys::signal::Signal;

/// Lists the lines of a log by which the daemon reports about itself, without their times.
fn lines(log: &str) -> Vec<String> {
    Notice::all(log).iter().map(|notice| format!("{} {}", notice.level, notice.message)).collect()
}

#[track_caller]
fn has_lines(subject: &Subject, expected: &[&str]) {
    wait_until(format_args!("{expected:?} in the log"), || lines(&subject.raw_log()) == expected);
}

/// Returns the time in the form of the lines.
fn now() -> String {
    let output = Command::new("date").args(["-u", "+%FT%T.%3NZ"]).output().expect("date runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

// ---- lines ----

#[test]
fn a_line_has_the_time_in_utc_the_level_and_the_name() {
    let before = now();
    let subject = Subject::new().body("fail x");
    // Another time zone changes nothing.
    let mut start = subject.action("start");
    start.env("TZ", "Asia/Tokyo");
    Answer::of(start).started().wait_until_gone();
    let log = subject.raw_log();
    let [notice] = &Notice::all(&log)[..] else { panic!("{log}") };
    assert!(*before <= *notice.time && *notice.time <= *now(), "{before} {log} {}", now());
    assert_eq!((notice.level, notice.message), ("ERROR", "subject: x: the cause"));
    assert_eq!(log, format!("{} ERROR subject: x: the cause\n", notice.time));
}

#[test]
fn every_kind_of_body_reports_reloads_and_its_stop() {
    let plain = Subject::new().body("print up; park");
    let graceful = Subject::new().graceful("print up; wait");
    let repeating = Subject::new().every(3_600_000, "print up");
    let supervised = Subject::new().key("respawn", "always").body("print up; park");
    for subject in [plain, graceful, repeating, supervised] {
        let daemon = subject.start();
        subject.log_with("up");
        let old = subject.path("old");
        fs::rename(subject.log(), &old).unwrap();
        subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        // The line is in the new log.
        has_lines(&subject, &["INFO subject: reloading"]);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        has_lines(&subject, &["INFO subject: reloading", "INFO subject: stopping (SIGTERM)"]);
        assert_eq!(fs::read_to_string(&old).unwrap(), "up\n");
    }
}

#[test]
fn a_line_names_the_signal_that_stops() {
    let subject = Subject::new().key("stop_signal", "SIGUSR1").graceful("print up; wait");
    for (signal, name) in [(Signal::SIGUSR1, "SIGUSR1"), (Signal::SIGINT, "SIGINT")] {
        let _ = fs::remove_file(subject.log());
        let daemon = subject.start();
        subject.log_with("up");
        daemon.signal(signal);
        daemon.wait_until_gone();
        assert_eq!(lines(&subject.raw_log()), [format!("INFO subject: stopping ({name})")]);
    }
}

#[test]
fn in_the_foreground_the_caller_knows_of_its_stop() {
    let plain = Subject::new();
    let graceful = Subject::new().graceful("await");
    let supervised = Subject::new().key("respawn", "always");
    for subject in [plain, graceful, supervised] {
        let run = subject.action("run").spawn().unwrap();
        wait_until("the pidfile", || subject.pid_text().ends_with('\n'));
        subject.act("reload");
        subject.act("stop");
        assert_eq!(Answer::from(run).stderr, "");
    }
}

#[test]
fn a_supervisor_reports_pauses_and_when_it_gives_up() {
    let subject = Subject::new().key("respawn", "on-failure").key("respawn_delay", "10");
    let subject = subject.key("respawn_limit", "2").body("code 7");
    subject.start().wait_until_gone();
    let expected =
        ["WARN subject: respawning in 10ms: exit 7", "ERROR subject: giving up after 2 failures: exit 7"];
    assert_eq!(lines(&subject.raw_log()), expected);
}

#[test]
fn a_log_that_cannot_be_reopened_is_an_error() {
    for supervised in [false, true] {
        let subject = Subject::new();
        let (folder, gone) = (subject.path("logs"), subject.path("gone"));
        fs::create_dir(&folder).unwrap();
        let log = folder.join("x.log");
        let subject = subject.key("stdout", &log).graceful("event; wait");
        let subject = if supervised { subject.key("respawn", "always") } else { subject };
        subject.start();
        fs::rename(&folder, &gone).unwrap();
        subject.act("reload");
        let complaint = format!("ERROR subject: cannot reopen {}: No such file or directory", log.display());
        // With a supervisor, each of the two processes has the log open.
        let mut expected = vec![complaint.as_str(); if supervised { 2 } else { 1 }];
        expected.push("INFO subject: reloading");
        wait_until("the lines", || {
            let mut lines = lines(&fs::read_to_string(gone.join("x.log")).unwrap_or_default());
            lines.sort();
            lines == expected
        });
    }
}

#[test]
fn a_path_longer_than_the_buffer_of_a_line_is_whole() {
    let subject = Subject::new();
    let folder = subject.path(&["x"; 4].map(|letter| letter.repeat(200)).join("/"));
    fs::create_dir_all(&folder).unwrap();
    let (log, gone) = (folder.join("x.log"), subject.path("gone"));
    let subject = subject.key("stdout", &log);
    subject.start();
    fs::rename(&folder, &gone).unwrap();
    subject.act("reload");
    let complaint = format!("ERROR subject: cannot reopen {}: No such file or directory", log.display());
    wait_until("the line", || {
        let text = fs::read_to_string(gone.join("x.log")).unwrap_or_default();
        lines(&text).contains(&complaint)
    });
}

#[test]
fn long_runs_in_a_row_are_reported_once() {
    let subject = Subject::new().every(10, "sleep 35").key("times", "4");
    subject.start().wait_until_gone();
    let all = lines(&subject.raw_log());
    // On a busy machine, a run may also be late by itself, which is another line.
    let is_about = |line: &&String| line.contains(" runs are skipped: the run before ended ");
    let lines: Vec<_> = all.iter().filter(is_about).collect();
    let [line] = &lines[..] else { panic!("{all:?}") };
    assert!(line.starts_with("WARN subject: "), "{line}");
    assert!(line.ends_with("ms after it was due"), "{line}");
}

#[test]
fn a_failed_run_after_which_the_daemon_goes_on_is_an_error() {
    for (end, text) in [("fail x", "x: the cause"), ("code 9", "exit 9")] {
        let subject = Subject::new().every(3_600_000, end).key("on_error", "continue");
        let daemon = subject.start();
        has_lines(&subject, &[&format!("ERROR subject: {text}")]);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

#[test]
fn a_log_that_may_not_grow_is_in_no_stops_way() {
    if !tool_or_skip(&["prlimit", "--fsize=0", "true"]) {
        return;
    }
    let subject = Subject::new();
    let stopped = subject.path("stopped");
    let subject = subject.graceful(format!("await; make {}", stopped.display()));
    fs::write(subject.log(), "x".repeat(100)).unwrap();
    let daemon = Answer::of(subject.wrapped(&["prlimit", "--fsize=100", "--core=0"], "start")).started();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 0);
    assert!(stopped.exists());
    assert_eq!(subject.raw_log().len(), 100);
}

// ---- events ----

/// Lists the events that a daemon's subscriber has printed.
fn events(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect()
}

/// Waits until the log has exactly these events.
#[track_caller]
fn has_events(service: &Service, expected: &[&str]) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while events(&service.raw_log()) != expected {
        assert!(std::time::Instant::now() < deadline, "{expected:#?}\n{}", service.raw_log());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Writes an event as the helper program prints it.
fn event(level: &str, event: &str, fields: &str, message: &str) -> String {
    let gap = if fields.is_empty() { "" } else { " " };
    format!("{level} daemonic message={message} event={event:?} daemon=\"subject\"{gap}{fields}")
}

fn stopping() -> String {
    event("INFO", "stopping", "signal=\"SIGTERM\"", "stopping")
}

#[test]
fn a_subscriber_gets_reloads_and_the_stop_as_events_and_the_log_no_lines() {
    for (body, form) in [
        ("subscribe; print up; wait", "graceful"),
        ("subscribe; print up; serve", "graceful"),
        ("first subscribe; print up", "repeat"),
        ("first subscribe; print up", "plain repeat"),
    ] {
        let service = Service::new(body).form(form).key("every", "3600000");
        let daemon = service.start();
        service.log_with("up");
        let reloading = event("INFO", "reloading", "", "reloading");
        service.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        has_events(&service, &[&reloading]);
        service.stop(daemon);
        has_events(&service, &[&reloading, &stopping()]);
        assert_eq!(lines(&service.raw_log()), [""; 0]);
    }
}

#[test]
fn a_body_that_does_not_wait_emits_the_stop_when_it_returns() {
    let service = Service::new("").until("subscribe; until; print ended");
    let daemon = service.start();
    service.log_with("until");
    daemon.signal(Signal::SIGTERM);
    wait_until("the signal", || !daemon.signals("ShdPnd").contains(&Signal::SIGTERM));
    assert_eq!(events(&service.raw_log()), [""; 0]);
    service.go();
    daemon.wait_until_gone();
    has_events(&service, &[&stopping()]);
}

#[test]
fn a_body_without_a_context_has_lines_although_there_is_a_subscriber() {
    let service = Service::new("subscribe; print up; park").form("plain");
    let daemon = service.start();
    service.log_with("up");
    service.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    service.stop(daemon);
    assert_eq!(events(&service.raw_log()), [""; 0]);
    let expected = ["INFO subject: reloading", "INFO subject: stopping (SIGTERM)"];
    assert_eq!(lines(&service.raw_log()), expected);
}

#[test]
fn without_a_subscriber_the_feature_changes_no_line() {
    let service = Service::new("print up; wait; fail x");
    let daemon = service.start();
    service.log_with("up");
    service.stop(daemon);
    let expected = ["INFO subject: stopping (SIGTERM)", "ERROR subject: cannot work: x"];
    assert_eq!(lines(&service.raw_log()), expected);
}

#[test]
fn a_subscriber_gets_the_end_of_a_body() {
    let failed = event("ERROR", "body_failed", "error=\"cannot work: x\"", "the body has failed");
    let panicked = |log: &str| {
        let place = log.split_once("panicked at ").and_then(|(_, rest)| rest.split_once(": all is lost"));
        let error = format!("panicked at {}: all is lost", place.expect("a panic").0);
        event("ERROR", "panicked", &format!("error={error:?}"), "panicked")
    };
    for body in ["subscribe; fail x", "subscribe; panic all is lost"] {
        let service = Service::new(body);
        service.start().wait_until_gone();
        let log = service.raw_log();
        let events = events(&log);
        let expected = if body.contains("fail") { failed.clone() } else { panicked(&events.join("\n")) };
        assert_eq!(events, [expected], "{log}");
        assert_eq!(lines(&log), [""; 0]);
    }
}

#[test]
fn a_panic_of_another_thread_is_an_event() {
    let service = Service::new("subscribe; threads 1 panic all is lost");
    service.start().wait_until_gone();
    let events = events(&service.raw_log());
    // The thread's own panic, and that of the body, which expects none.
    assert_eq!(events.iter().filter(|event| event.contains("event=\"panicked\"")).count(), 2, "{events:?}");
    assert!(events[0].contains(": all is lost"), "{events:?}");
}

#[test]
fn a_subscriber_gets_failed_skipped_and_late_runs() {
    let failing = Service::new("first subscribe; fail x").form("repeat").key("every", "1").key("times", "2");
    let failing = failing.key("on_error", "continue");
    failing.start().wait_until_gone();
    let failed = |run: u32| {
        event("ERROR", "run_failed", &format!("run={run} error=\"cannot work: x\""), "a run has failed")
    };
    let events_of = |service: &Service, kind: &str| {
        let mut events = events(&service.raw_log());
        events.retain(|event| event.contains(&format!("event={kind:?}")));
        events
    };
    assert_eq!(events_of(&failing, "run_failed"), [failed(1), failed(2)]);
    for (missed, kind, field) in [("", "runs_skipped", "count="), ("burst", "run_late", "late_seconds=0.")] {
        let service = Service::new("first subscribe; pause 30").form("repeat").key("every", "10");
        let service = service.key("times", "3");
        let service = if missed.is_empty() { service } else { service.key("missed", missed) };
        service.start().wait_until_gone();
        let events = events_of(&service, kind);
        assert_eq!(events.len(), 2, "{}", service.raw_log());
        let levels: Vec<_> = events.iter().map(|event| event.split(' ').next().unwrap()).collect();
        assert_eq!(levels, if missed.is_empty() { ["WARN", "DEBUG"] } else { ["DEBUG"; 2] });
        assert!(events.iter().all(|event| event.contains(field)), "{events:?}");
    }
}

#[test]
fn a_subscriber_gets_the_log_that_cannot_be_reopened() {
    let service = Service::new("subscribe; print up; wait");
    let (folder, gone) = (service.path("logs"), service.path("gone"));
    fs::create_dir(&folder).unwrap();
    let log = folder.join("x.log");
    let service = service.key("stdout", &log);
    let daemon = service.start();
    let text = |name: &str| fs::read_to_string(service.path(name)).unwrap_or_default();
    wait_until("the body", || text("logs/x.log") == "up\n");
    fs::rename(&folder, &gone).unwrap();
    service.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    let fields = format!("path={} error=No such file or directory", log.display());
    let expected = [
        event("ERROR", "cannot_reopen", &fields, "cannot reopen a log"),
        event("INFO", "reloading", "", "reloading"),
    ];
    wait_until("the events", || events(&text("gone/x.log")) == expected);
    service.stop(daemon);
}

#[test]
fn a_further_life_emits_that_it_is_one_and_the_supervisor_writes_lines() {
    for early in [false, true] {
        let service = Service::new("").key("respawn", "on-failure").key("respawn_delay", "10");
        let service = if early { service.key("subscribe", "") } else { service };
        let begin = if early { "" } else { "subscribe; " };
        let service = service.key("body", format!("{begin}wait"));
        let daemon = service.start();
        let body: Process = wait_for("the body", || daemon.children().trim().parse().ok().map(Process));
        body.signal(Signal::SIGKILL);
        let respawned = event("INFO", "respawned", "respawns=1 error=\"killed by SIGKILL\"", "respawned");
        has_events(&service, &[&respawned]);
        service.stop(daemon);
        has_events(&service, &[&respawned, &stopping()]);
        let expected =
            ["WARN subject: respawning in 10ms: killed by SIGKILL", "INFO subject: stopping (SIGTERM)"];
        assert_eq!(lines(&service.raw_log()), expected, "{early}");
    }
}

#[test]
fn a_service_manager_that_cannot_be_notified_is_reported() {
    let long = format!("/{}", "x".repeat(200));
    for early in [false, true] {
        let service = Service::new("print out");
        let service = if early { service.key("subscribe", "") } else { service };
        let mut run = service.action("run");
        run.env("NOTIFY_SOCKET", &long);
        let answer = Answer::of(run);
        let reason = "path must be shorter than SUN_LEN";
        if early {
            let expected = event(
                "WARN",
                "not_notified",
                &format!("error={reason}"),
                "the service manager is not notified",
            );
            assert_eq!((events(&answer.stdout), &*answer.stderr), (vec![expected], ""));
        } else {
            let expected = format!("WARN subject: the service manager is not notified: {reason}");
            assert_eq!(lines(&answer.stderr), [expected]);
        }
    }
}

#[test]
fn a_forked_child_of_the_body_emits_nothing() {
    let service = Service::new("subscribe; fork wait & print child; print up; wait");
    let daemon = service.start();
    service.log_with("up");
    let child: Process = service.number("forked");
    for process in [child, daemon] {
        process.signal(Signal::SIGTERM);
    }
    daemon.wait_until_gone();
    has_events(&service, &[&stopping()]);
}
