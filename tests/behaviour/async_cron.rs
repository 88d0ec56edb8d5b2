//! An async body that runs at the times of a cron expression, with or without a context.

use std::time::Duration;

use common::async_programs::Service;
use common::notice::unstamped;
use common::{Answer, faketime, now, wait_until};
use nix::sys::signal::Signal;

const VARIANTS: [&str; 2] = ["scheduled", "scheduled_context"];

/// A time that does not come while the tests run.
const NEVER: &str = "0 0 29 2 *";

fn service(variant: &str, expression: &str) -> Service {
    Service::variant(variant).key("cron", expression)
}

/// Returns the times of day at which runs were made.
fn times(text: &str) -> Vec<i64> {
    text.lines().filter_map(|line| line.strip_prefix("ran at ")?.parse().ok()).collect()
}

#[test]
fn an_async_run_begins_at_its_time_and_not_before() {
    const DUE: i64 = 1_777_984_200;
    let Some(library) = faketime::library_or_skip() else { return };
    let daemons = VARIANTS.map(|variant| {
        let service = service(variant, "30 12 * * *");
        let mut start = service.action("start");
        start.env("LD_PRELOAD", &library).env("TZ", "UTC").env("FAKETIME", "@2026-05-05 12:29:58");
        start.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let daemon = Answer::of(start).started();
        (service, daemon)
    });
    for (service, daemon) in daemons {
        wait_until("a run", || !times(&service.log_text()).is_empty());
        service.stop(daemon);
        assert_eq!(daemon.exit_code(), 0);
        let times = times(&service.log_text());
        assert!(times.len() == 1 && (DUE..DUE + 5).contains(&times[0]), "due at {DUE}, and not at {times:?}");
        service.left_nothing();
    }
}

#[test]
fn a_stop_ends_the_wait_for_an_async_run_at_once() {
    // A time limit has a thread, and no runtime outlives its run.
    for (variant, threads) in VARIANTS.into_iter().zip(["1", "2"]) {
        for runs in 0..2 {
            let service = service(variant, NEVER);
            let daemon = service.start();
            for _ in 0..runs {
                service.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
            }
            wait_until("the wait", || {
                daemon.status("State").starts_with('S') && daemon.status("Threads") == threads
            });
            let before = now();
            daemon.signal(Signal::SIGTERM);
            assert_eq!(daemon.exit_code(), 0, "{variant}");
            assert!(now() - before < Duration::from_secs(5).as_nanos(), "{variant}");
            assert_eq!(times(&service.log_text()).len(), runs, "{variant}");
            service.left_nothing();
        }
    }
}

#[test]
fn an_async_run_is_made_on_request() {
    for variant in VARIANTS {
        let service = service(variant, NEVER);
        let answer = service.act("once");
        assert_eq!((answer.status.code(), times(&answer.stdout).len()), (Some(0), 1), "{answer:?}");
        service.left_nothing();
        let daemon = service.start();
        for runs in 1..3 {
            service.act("once").says(0, &format!("subject: has done a run (pid {daemon})"));
            assert_eq!(times(&service.log_text()).len(), runs, "{variant}");
        }
        service.stop(daemon);
        service.left_nothing();
    }
}

#[test]
fn the_next_async_runs_are_listed() {
    for variant in VARIANTS {
        let mut next = service(variant, NEVER).action("next");
        next.arg("3");
        let answer = Answer::of(next);
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
        let lines: Vec<_> = answer.stdout.lines().collect();
        let is_due = |line: &&str| line.starts_with("subject: 20") && line.contains("-02-29 00:00:00 ");
        assert!(lines.len() == 3 && lines.iter().all(is_due) && lines.is_sorted(), "{answer:?}");
    }
}

#[test]
fn an_async_wait_for_the_stop_ends_with_the_time_of_the_run() {
    let service = service("scheduled_context", NEVER).key("wait", "");
    let daemon = service.start();
    let answer = service.act("once");
    let text = format!("subject: the run has failed (pid {daemon}): ");
    assert!(
        answer.stdout.starts_with(&text) && answer.stdout.contains("timed out after 500ms"),
        "{answer:?}"
    );
    assert_ne!(answer.status.code(), Some(0));
    let log = unstamped(&service.log_text());
    assert!(log.contains("stopping true\n"), "{log}");
    // The stop was that of the run.
    service.act("status").runs(daemon);
    service.stop(daemon);
    assert_eq!(daemon.exit_code(), 0);
}
