//! A daemon under a real systemd, which starts, reloads and stops it, or sees it fail or hang.
//!
//! systemd's view is right each time, and its log has no unexpected message.

use std::fs;
use std::path::Path;

use common::async_programs::{self, Service};
use common::systemd::{Manager, Unit};
use common::{Process, Subject, wait_until};

const RUNS: &str = "active/running success";
const IS_DEAD: &str = "inactive/dead success";

/// What systemd logs of a unit that fails.
const FAILED: &str = "Failed with result 'exit-code'.";
const NOT_STARTED: &str = "Failed to start UNIT.";

/// Returns the unit of a daemon in the foreground that notifies systemd.
fn notify(service: &Service) -> Unit {
    with_actions(Unit::new("notify", service), async_programs::program("service"))
        .with("Type=notify")
        .with(format!("ExecStart={} run", async_programs::program("service").display()))
}

/// Returns the unit of a daemon that forks, and whose pidfile names its process.
fn forking(subject: &Subject, program: &Path) -> Unit {
    with_actions(Unit::new("forking", subject), program)
        .with("Type=forking")
        .with(format!("PIDFile={}", subject.pidfile().display()))
        .with(format!("ExecStart={} start", program.display()))
}

fn with_actions(unit: Unit, program: &Path) -> Unit {
    unit.with(format!("ExecStop={} stop", program.display()))
        .with(format!("ExecReload={} reload", program.display()))
}

/// Runs an action of the program inside the manager's namespaces.
#[track_caller]
fn act(systemd: &mut Manager, unit: &Unit, program: &Path, action: &str) -> (i32, String) {
    systemd.shell(&format!("env {} {} {action}", unit.variables(), program.display()))
}

/// Fails unless systemd and the daemon agree that it runs.
#[track_caller]
fn agrees(systemd: &mut Manager, unit: &Unit, subject: &Subject, program: &Path) -> Process {
    systemd.sees(unit, RUNS);
    let main = systemd.main_pid(unit);
    assert_eq!(subject.pid_text(), format!("{main}\n"));
    let (code, text) = act(systemd, unit, program, "status");
    assert!(code == 0 && text.starts_with(&format!("subject: running (pid {main}, up ")), "{text}");
    main
}

/// Fails unless systemd and the daemon agree that none runs.
#[track_caller]
fn agrees_that_there_is_none(systemd: &mut Manager, unit: &Unit, subject: &Subject, program: &Path) {
    assert_eq!(systemd.main_pid(unit), Process(0));
    assert_eq!(act(systemd, unit, program, "status"), (3, "subject: not running\n".to_owned()));
    assert_eq!(subject.processes(), []);
    assert!(!subject.pidfile().exists());
}

#[test]
fn a_notify_unit_is_active_once_its_body_says_so() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("").waiting(30_000).until("until; ready; event; event; print ended");
    let program = async_programs::program("service");
    let unit = notify(&service);
    systemd.install(&unit);
    systemd.does("systemctl --user start --no-block notify");
    systemd.comes_to_see(&unit, "activating/start success");
    wait_until("the body", || unit.output().contains("until"));
    systemd.sees(&unit, "activating/start success");
    service.go();
    systemd.comes_to_see(&unit, RUNS);
    let daemon = agrees(&mut systemd, &unit, &service, program);
    systemd.does("systemctl --user reload notify");
    wait_until("the reload", || unit.output().contains("Reload"));
    systemd.comes_to_see(&unit, RUNS);
    assert_eq!(agrees(&mut systemd, &unit, &service, program), daemon);
    systemd.does("systemctl --user stop notify");
    systemd.sees(&unit, IS_DEAD);
    agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    assert!(unit.output().contains("Stop\nended\n"), "{}", unit.output());
    systemd.complains(&unit, &[]);
}

#[test]
fn a_notify_unit_of_any_form_starts_reloads_and_stops() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let program = async_programs::program("service");
    for (form, body) in [("graceful", "serve"), ("plain", "park"), ("repeat", ""), ("plain repeat", "")] {
        let service = Service::new(body).form(form).key("every", "5");
        let unit = notify(&service);
        systemd.install(&unit);
        for _ in 0..3 {
            systemd.does("systemctl --user start notify");
            let daemon = agrees(&mut systemd, &unit, &service, program);
            systemd.does("systemctl --user reload notify");
            systemd.comes_to_see(&unit, RUNS);
            assert_eq!(agrees(&mut systemd, &unit, &service, program), daemon);
            systemd.does("systemctl --user restart notify");
            assert_ne!(agrees(&mut systemd, &unit, &service, program), daemon);
            systemd.does("systemctl --user stop notify");
            systemd.sees(&unit, IS_DEAD);
            agrees_that_there_is_none(&mut systemd, &unit, &service, program);
        }
    }
    let unit = notify(&Service::new(""));
    systemd.complains(&unit, &[]);
}

#[test]
fn a_notify_reload_unit_of_any_form_reloads_in_time() {
    let Some(mut systemd) = Manager::start_newer_or_skip() else { return };
    let program = async_programs::program("service");
    let forms = [
        ("graceful", "serve"),
        ("graceful", "wait"),
        ("plain", "park"),
        ("repeat", ""),
        ("plain repeat", ""),
    ];
    for ((form, body), is_supervised) in forms.iter().flat_map(|form| [(form, false), (form, true)]) {
        let service = Service::new(body).form(form).key("every", "3600000");
        if is_supervised && *form == "plain repeat" {
            continue;
        }
        let service = if is_supervised { service.key("respawn", "on-failure") } else { service };
        let unit = Unit::new("notify", &service)
            .with("Type=notify-reload")
            .with("TimeoutStartSec=5s")
            .with(format!("ExecStart={} run", program.display()));
        systemd.install(&unit);
        systemd.does("systemctl --user start notify");
        let daemon = agrees(&mut systemd, &unit, &service, program);
        for _ in 0..2 {
            systemd.does("systemctl --user reload notify");
            assert_eq!(agrees(&mut systemd, &unit, &service, program), daemon);
        }
        systemd.does("systemctl --user stop notify");
        systemd.sees(&unit, IS_DEAD);
    }
    systemd.complains(&notify(&Service::new("")), &[]);
}

#[test]
fn a_notify_reload_unit_is_reloading_until_its_body_has_reloaded() {
    let Some(mut systemd) = Manager::start_newer_or_skip() else { return };
    let service = Service::new("").until("status at work; event 1; print up; event; until; serve");
    let program = async_programs::program("service");
    let unit = Unit::new("notify", &service)
        .with("Type=notify-reload")
        .with(format!("ExecStart={} run", program.display()));
    systemd.install(&unit);
    systemd.does("systemctl --user start notify");
    wait_until("the body", || unit.output().contains("up\n"));
    systemd.does("systemctl --user reload --no-block notify");
    wait_until("the reload", || unit.output().contains("until"));
    systemd.comes_to_see(&unit, "reloading/reload-notify success");
    assert_eq!(systemd.show(&unit, "StatusText"), ["at work"]);
    service.go();
    systemd.comes_to_see(&unit, RUNS);
    systemd.does("systemctl --user stop notify");
    systemd.complains(&unit, &[]);
}

#[test]
fn a_stop_that_the_daemon_allows_to_be_long_outlasts_systemds_own_limit() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("event; pause 1500; print ended").key("stop_timeout", "30000");
    let unit = notify(&service).with("ExecStop=").with("TimeoutStopSec=500ms");
    systemd.install(&unit);
    systemd.does("systemctl --user start notify");
    systemd.does("systemctl --user stop notify");
    systemd.sees(&unit, IS_DEAD);
    assert!(unit.output().ends_with("ended\n"), "{}", unit.output());
    systemd.complains(&unit, &[]);
}

#[test]
fn a_notify_unit_is_stopped_by_systemds_own_signal_too() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let program = async_programs::program("service");
    for (form, body) in [("graceful", "wait"), ("plain", "park"), ("repeat", "")] {
        let service = Service::new(body).form(form).key("every", "3600000");
        let unit = notify(&service).with("ExecStop=");
        systemd.install(&unit);
        systemd.does("systemctl --user start notify");
        agrees(&mut systemd, &unit, &service, program);
        systemd.does("systemctl --user stop notify");
        systemd.sees(&unit, IS_DEAD);
        agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    }
    let unit = notify(&Service::new(""));
    systemd.complains(&unit, &[]);
}

#[test]
fn a_notify_unit_that_fails_before_it_is_ready_has_failed() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("fail no disk").waiting(30_000);
    let program = async_programs::program("service");
    let unit = notify(&service);
    systemd.install(&unit);
    assert_eq!(systemd.shell("systemctl --user start notify").0, 1);
    systemd.comes_to_see(&unit, "failed/failed exit-code");
    assert_eq!(systemd.show(&unit, "ExecMainCode,ExecMainStatus"), ["1", "1"]);
    assert!(unit.output().contains("subject: cannot work: no disk"), "{}", unit.output());
    agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    systemd.complains(&unit, &["Main process exited, code=exited, status=1/FAILURE", FAILED, NOT_STARTED]);
}

#[test]
fn a_notify_unit_whose_daemon_runs_already_has_failed_and_the_other_lives() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("serve");
    let program = async_programs::program("service");
    let unit = notify(&service);
    systemd.install(&unit);
    assert_eq!(act(&mut systemd, &unit, program, "start").0, 0);
    let text = service.pid_text();
    assert_eq!(systemd.shell("systemctl --user start notify").0, 1);
    systemd.comes_to_see(&unit, "failed/failed exit-code");
    assert_eq!(service.pid_text(), text);
    assert!(unit.output().contains("subject: already running (pid "), "{}", unit.output());
    assert_eq!(act(&mut systemd, &unit, program, "status").0, 0);
    assert_eq!(act(&mut systemd, &unit, program, "stop").0, 0);
    systemd.complains(&unit, &["Main process exited, code=exited, status=1/FAILURE", FAILED, NOT_STARTED]);
}

#[test]
fn the_watchdog_is_content_with_a_daemon_that_waits() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    for (form, body) in [("graceful", "wait"), ("repeat", ""), ("plain repeat", "")] {
        let service = Service::new(body).form(form).key("every", "3600000");
        // Long enough for a busy machine. The test waits for several keep-alives.
        let unit = notify(&service).with("WatchdogSec=2s");
        systemd.install(&unit);
        systemd.does("systemctl --user start notify");
        for _ in 0..2 {
            let last = systemd.show(&unit, "WatchdogTimestampMonotonic");
            wait_until("a sign of life", || systemd.show(&unit, "WatchdogTimestampMonotonic") != last);
        }
        agrees(&mut systemd, &unit, &service, async_programs::program("service"));
        systemd.does("systemctl --user stop notify");
        systemd.sees(&unit, IS_DEAD);
    }
    let unit = notify(&Service::new(""));
    systemd.complains(&unit, &[]);
}

#[test]
fn the_watchdog_ends_a_daemon_that_hangs_and_the_next_one_starts_over_its_pidfile() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("").until("until; wait");
    let program = async_programs::program("service");
    let unit = notify(&service).with("WatchdogSec=300ms").with("LimitCORE=0");
    systemd.install(&unit);
    systemd.does("systemctl --user start notify");
    systemd.comes_to_see(&unit, "failed/failed watchdog");
    assert_eq!(systemd.main_pid(&unit), Process(0));
    let stale = format!("subject: not running (stale pidfile {})\n", service.pidfile().display());
    assert_eq!(act(&mut systemd, &unit, program, "status"), (1, stale));
    service.go();
    systemd.does("systemctl --user start notify");
    agrees(&mut systemd, &unit, &service, program);
    systemd.does("systemctl --user stop notify");
    agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    systemd.complains(
        &unit,
        &[
            "Watchdog timeout (limit 300ms)!",
            "Killing process PID (service) with signal SIGABRT.",
            "Main process exited, code=killed, status=6/ABRT",
            "Failed with result 'watchdog'.",
        ],
    );
}

#[test]
fn a_notify_unit_that_was_killed_is_started_again_over_its_pidfile() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("serve");
    let unit = notify(&service);
    killed_and_started_again(&mut systemd, &unit, &service, async_programs::program("service"));
    systemd.complains(
        &unit,
        &["Main process exited, code=killed, status=9/KILL", "Failed with result 'signal'."],
    );
}

#[test]
fn a_forking_unit_that_was_killed_is_started_again_over_its_pidfile() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let subject = Subject::new();
    let unit = forking(&subject, common::program("subject"));
    killed_and_started_again(&mut systemd, &unit, &subject, common::program("subject"));
    systemd.complains(
        &unit,
        &["Main process exited, code=killed, status=9/KILL", "Failed with result 'signal'."],
    );
}

#[track_caller]
fn killed_and_started_again(systemd: &mut Manager, unit: &Unit, subject: &Subject, program: &Path) {
    let unit_file = unit.clone().with("Restart=on-failure").with("RestartSec=0");
    systemd.install(&unit_file);
    systemd.does(&format!("systemctl --user start {}", unit.name()));
    let first = agrees(systemd, unit, subject, program);
    systemd.does(&format!("kill -KILL {first}"));
    wait_until("another daemon", || {
        systemd.view(unit) == RUNS && ![first, Process(0)].contains(&systemd.main_pid(unit))
    });
    agrees(systemd, unit, subject, program);
    assert_eq!(systemd.show(unit, "NRestarts"), ["1"]);
    systemd.does(&format!("systemctl --user stop {}", unit.name()));
    systemd.sees(unit, IS_DEAD);
    agrees_that_there_is_none(systemd, unit, subject, program);
}

#[test]
fn a_forking_unit_starts_reloads_restarts_and_stops() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let program = common::program("subject");
    let subjects = [
        Subject::new().body("print up; park"),
        Subject::new().graceful("print up; wait"),
        Subject::new().every(5, "print up"),
        Subject::new().body("print up; park").key("user", "nobody"),
        Subject::new().body("print up; park").key("stop_signal", "SIGUSR1"),
    ];
    for subject in &subjects {
        // The stop signal kills a plain body. systemd takes that for a clean exit with the usual
        // signals only.
        let unit = forking(subject, program).with("SuccessExitStatus=SIGUSR1");
        systemd.install(&unit);
        systemd.does("systemctl --user start forking");
        let daemon = agrees(&mut systemd, &unit, subject, program);
        wait_until("the log", || subject.log_text().starts_with("up\n"));
        fs::rename(subject.log(), subject.path("old")).unwrap();
        systemd.does("systemctl --user reload forking");
        assert_eq!(agrees(&mut systemd, &unit, subject, program), daemon);
        systemd.does("systemctl --user restart forking");
        assert_ne!(agrees(&mut systemd, &unit, subject, program), daemon);
        systemd.does("systemctl --user stop forking");
        systemd.sees(&unit, IS_DEAD);
        assert_eq!(systemd.main_pid(&unit), Process(0));
        assert_eq!(subject.processes(), []);
        assert!(!subject.pidfile().exists() || subject.pid_text().is_empty());
    }
    systemd.complains(&forking(&subjects[0], program), &[]);
}

#[test]
fn a_forking_unit_is_right_about_its_main_process_however_often_it_starts() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let subject = Subject::new();
    let program = common::program("subject");
    // Without systemd's limit on the rate of starts.
    let unit = forking(&subject, program);
    let unit_file = unit.clone().with("ExecStop=");
    systemd.install(&unit_file);
    systemd.does("sed -i '1i [Unit]\\nStartLimitIntervalSec=0' /run/user/0/systemd/user/forking.service");
    systemd.does("systemctl --user daemon-reload");
    let rounds = if common::is_long() { 300 } else { 30 };
    for _ in 0..rounds {
        systemd.does("systemctl --user start forking");
        systemd.sees(&unit, RUNS);
        let text = format!("{}\n", systemd.main_pid(&unit));
        assert_eq!(subject.pid_text(), text);
        systemd.does("systemctl --user stop forking");
        systemd.sees(&unit, IS_DEAD);
    }
    common::torture::say(format_args!("{rounds} rounds"));
    agrees_that_there_is_none(&mut systemd, &unit, &subject, program);
    systemd.complains(&unit, &[]);
}

#[test]
fn a_forking_unit_that_cannot_start_has_failed_and_says_why() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let subject = Subject::new();
    let log = subject.path("missing/x.log");
    let subject = subject.key("stdout", &log);
    let program = common::program("subject");
    let unit = forking(&subject, program);
    systemd.install(&unit);
    assert_eq!(systemd.shell("systemctl --user start forking").0, 1);
    systemd.sees(&unit, "failed/failed exit-code");
    assert!(unit.output().contains("subject: failed to start: cannot open stdout "), "{}", unit.output());
    agrees_that_there_is_none(&mut systemd, &unit, &subject, program);
    systemd.complains(&unit, &["Control process exited, code=exited, status=1/FAILURE", FAILED, NOT_STARTED]);
}

#[test]
fn a_forking_unit_whose_body_is_not_ready_in_time_has_failed() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("wait").waiting(200);
    let program = async_programs::program("service");
    let unit = forking(&service, program);
    systemd.install(&unit);
    assert_eq!(systemd.shell("systemctl --user start forking").0, 1);
    systemd.sees(&unit, "failed/failed exit-code");
    assert!(
        unit.output().contains("not ready after 200ms: the body has not called Context::ready()"),
        "{}",
        unit.output()
    );
    agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    systemd.complains(&unit, &["Control process exited, code=exited, status=1/FAILURE", FAILED, NOT_STARTED]);
}

#[test]
fn a_forking_unit_is_active_once_its_body_says_so() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let service = Service::new("").waiting(30_000).until("until; ready; wait");
    let program = async_programs::program("service");
    let unit = forking(&service, program);
    systemd.install(&unit);
    systemd.does("systemctl --user start --no-block forking");
    wait_until("the body", || service.log_text() == "until\n");
    systemd.sees(&unit, "activating/start success");
    service.go();
    systemd.comes_to_see(&unit, RUNS);
    agrees(&mut systemd, &unit, &service, program);
    systemd.does("systemctl --user stop forking");
    systemd.sees(&unit, IS_DEAD);
    agrees_that_there_is_none(&mut systemd, &unit, &service, program);
    systemd.complains(&unit, &[]);
}

#[test]
fn systemd_knows_how_a_daemon_has_ended_by_itself() {
    for (end, view, code, complaints) in [
        ("print over", IS_DEAD, "0", &[][..]),
        (
            "code 9",
            "failed/failed exit-code",
            "9",
            &["Main process exited, code=exited, status=9/n/a", FAILED],
        ),
        (
            "panic at the wall",
            "failed/failed exit-code",
            "101",
            &["Main process exited, code=exited, status=101/n/a", FAILED],
        ),
        (
            "abort",
            "failed/failed signal",
            "6",
            &["Main process exited, code=killed, status=6/ABRT", "Failed with result 'signal'."],
        ),
    ] {
        let Some(mut systemd) = Manager::start_or_skip() else { return };
        let subject = Subject::new();
        let go = subject.path("go");
        let subject = subject.body(format!("until {}; {end}", go.display()));
        let unit = forking(&subject, common::program("subject")).with("LimitCORE=0");
        systemd.install(&unit);
        systemd.does("systemctl --user start forking");
        agrees(&mut systemd, &unit, &subject, common::program("subject"));
        fs::write(&go, "").unwrap();
        systemd.comes_to_see(&unit, view);
        assert_eq!(systemd.show(&unit, "ExecMainStatus,MainPID"), [code, "0"], "{end}");
        assert_eq!(subject.processes(), []);
        systemd.complains(&unit, complaints);
    }
}

#[test]
fn a_stop_behind_systemds_back_is_an_end_in_order() {
    let Some(mut systemd) = Manager::start_or_skip() else { return };
    let subject = Subject::new();
    let program = common::program("subject");
    let unit = forking(&subject, program);
    systemd.install(&unit);
    systemd.does("systemctl --user start forking");
    let daemon = agrees(&mut systemd, &unit, &subject, program);
    let stopped = (0, format!("subject: stopped (pid {daemon})\n"));
    assert_eq!(act(&mut systemd, &unit, program, "stop"), stopped);
    systemd.comes_to_see(&unit, IS_DEAD);
    agrees_that_there_is_none(&mut systemd, &unit, &subject, program);
    systemd.complains(&unit, &[]);
}
