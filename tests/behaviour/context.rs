//! `Context`: how a body learns of a stop or a reload, beside its threads, its children and the
//! handlers of other crates, and what becomes of its result.

use std::fs;

use common::async_programs::{Run, Service, program};
use common::notice::unstamped;
use common::{Answer, Process, Subject, wait_until};
use nix::sys::signal::Signal;

const ALL_STOP_SIGNALS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

// ---- stop and reload ----

#[test]
fn a_stop_is_seen_by_every_method_and_stays() {
    let service =
        Service::new("stopping; glance; event; stopping; wait; wait 0; wait; event; event 0; glance; poll");
    let daemon = service.start();
    service.log_with("readable false");
    service.stop(daemon);
    let expected = [
        "stopping false",
        "readable false",
        "Stop",
        "stopping true",
        "stopping true",
        "stopping true",
        "stopping true",
        "Stop",
        "Stop",
        "readable true",
        "readable true",
    ];
    assert_eq!(service.log_text().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn sigterm_and_sigint_and_the_stop_signal_all_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        let service = Service::new("print up; wait; code 5").key("stop_signal", "SIGUSR1");
        let daemon = service.start();
        service.log_with("up");
        daemon.signal(signal);
        assert_eq!(daemon.exit_code(), 5, "{signal}");
        service.logs("up\nstopping true\n");
        service.left_nothing();
    }
}

#[test]
fn a_wait_that_nobody_interrupts_elapses() {
    let service = Service::new("wait 0; wait 1; event 0; event 1; reloading");
    let daemon = service.start();
    assert_eq!(daemon.exit_code(), 0);
    service.logs("stopping false\nstopping false\nElapsed\nElapsed\nreloading false\n");
}

/// A `time_t` of 32 bits holds 68 years.
#[test]
fn a_wait_of_a_hundred_years_sleeps() {
    let service = Service::new("wait 3155760000000");
    let daemon = service.start();
    let ticks = || daemon.stat(14).unwrap() + daemon.stat(15).unwrap();
    let before = ticks();
    for _ in 0..50 {
        assert!(service.act("status").status.success());
    }
    assert!(ticks() - before <= 2, "it does not sleep");
    service.stop(daemon);
}

#[test]
fn a_wait_goes_on_through_a_reload() {
    let service = Service::new("print up; wait; reloading; reloading");
    let daemon = service.start();
    service.log_with("up");
    for _ in 0..10 {
        service.act("reload");
    }
    service.stop(daemon);
    service.logs("up\nstopping true\nreloading true\nreloading false\n");
}

#[test]
fn a_stop_goes_before_a_reload() {
    let service = Service::new("").until("until; event; event; reloading; event");
    let daemon = service.start();
    service.log_with("until");
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGTERM);
    wait_until("both signals", || pending(daemon).is_empty());
    service.go();
    assert_eq!(daemon.exit_code(), 0);
    service.logs("until\nStop\nStop\nreloading true\nStop\n");
}

fn pending(process: Process) -> Vec<Signal> {
    [process.signals("ShdPnd"), process.signals("SigPnd")].concat()
}

#[test]
fn every_thread_and_clone_hears_of_a_stop() {
    for (steps, heard) in [("wait", "stopping true"), ("event", "Stop"), ("poll", "readable true")] {
        let service = Service::new(&format!("threads 16 threads 2 {steps}"));
        // Threads of threads have clones of clones.
        let daemon = service.start();
        wait_until("all threads", || service.log_text().matches("begun").count() == 17);
        service.stop(daemon);
        assert_eq!(service.log_text().matches(heard).count(), 32, "{:?}", service.log_text());
    }
}

#[test]
fn a_reload_is_told_once_however_many_ask() {
    let service = Service::new("threads 16 event & wait");
    let daemon = service.start();
    service.log_with("begun 16");
    for round in 1..=3 {
        // The action asks again if the threads answer an earlier request meanwhile.
        daemon.signal(Signal::SIGHUP);
        wait_until("the news", || service.log_text().matches("Reload").count() == round);
    }
    service.stop(daemon);
    let log = service.log_text();
    assert_eq!((log.matches("Reload").count(), log.matches("Stop").count()), (3, 13));
}

#[test]
fn a_reload_doesnt_make_the_descriptor_readable() {
    let service = Service::new("event; reloaded; glance; poll; stopping");
    let daemon = service.start();
    service.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    service.logs("Reload\nreadable false\n");
    daemon.signal(Signal::SIGHUP);
    wait_until("the signal", || pending(daemon).is_empty());
    service.stop(daemon);
    service.logs("Reload\nreadable false\nreadable true\nstopping true\n");
}

#[test]
fn the_descriptor_isnt_inherited_by_a_program() {
    let service = Service::new("spawn sleep 1000; wait");
    let daemon = service.start();
    let child = service.number("spawned");
    wait_until("sleep", || child.link("exe").ends_with("sleep"));
    // While the program is loaded, it opens its libraries.
    let numbers = || child.descriptors().into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    wait_until("no descriptor but the streams", || numbers() == [0, 1, 2]);
    service.stop(daemon);
}

// ---- the end of the body ----

#[test]
fn a_body_that_ignores_its_context_is_killed_and_stop_says_so() {
    let service = Service::new("print deaf; park").key("stop_timeout", "100");
    let daemon = service.start();
    service.log_with("deaf");
    service
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 100ms of SIGTERM"));
    assert_eq!(daemon.killer(), Signal::SIGKILL);
    service.left_nothing();
}

#[test]
fn a_body_may_take_its_time_within_the_timeout() {
    let service = Service::new("").until("wait; until; code 3");
    let daemon = service.start();
    let stop = service.begin("stop");
    service.log_with("until");
    service.act("status").runs(daemon);
    service.go();
    Answer::from(stop).says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.exit_code(), 3);
    service.left_nothing();
}

#[test]
fn a_storm_of_stops_is_one_stop() {
    let service = Service::new("").until("wait; until; print ended; glance; code 4");
    let daemon = service.start();
    storm(&service, daemon);
    assert_eq!(daemon.exit_code(), 4);
    service.logs("stopping true\nuntil\nended\nreadable true\n");
    service.left_nothing();
}

#[test]
fn a_storm_of_stops_during_a_run_is_one_stop() {
    for form in ["repeat", "plain repeat"] {
        let service = Service::new("").form(form).key("every", "1").until("until; print ended");
        let daemon = service.start();
        service.log_with("until");
        storm(&service, daemon);
        assert_eq!(daemon.exit_code(), 0);
        service.logs("until\nended\n");
        service.left_nothing();
    }
}

/// Sends a thousand signals, most of them while the body is in the step `until`.
fn storm(service: &Service, daemon: Process) {
    for number in 0..1000 {
        daemon.signal(ALL_STOP_SIGNALS[number % 2]);
        if number == 0 {
            service.log_with("until");
        }
    }
    wait_until("the end of the storm", || pending(daemon).is_empty());
    service.act("status").runs(daemon);
    service.go();
}

#[test]
fn a_storm_of_reloads_leaves_no_descriptor_behind() {
    let service = Service::new("threads 4 serve; print ended");
    let daemon = service.start();
    service.log_with("begun 4");
    // The launcher's channel may still be among them.
    let before = daemon.descriptors();
    for _ in 0..1000 {
        daemon.signal(Signal::SIGHUP);
    }
    wait_until("the end of the storm", || pending(daemon).is_empty());
    wait_until("no other descriptors", || daemon.descriptors().iter().all(|open| before.contains(open)));
    service.stop(daemon);
    service.logs("begun 4\nended\n");
}

#[test]
fn signals_during_system_calls_of_the_body_do_no_harm() {
    // Each print is a write that a signal may interrupt.
    let service = Service::new("threads 4 serve & print written").key("stop_timeout", "10000");
    let daemon = service.start();
    service.log_with("begun 4");
    for _ in 0..100 {
        daemon.signal(Signal::SIGHUP);
    }
    service.stop(daemon);
    assert_eq!(service.log_text().matches("written\n").count(), 4);
}

// ---- children ----

#[test]
fn a_forked_child_dies_of_signals_and_the_daemon_lives() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let service = Service::new("fork wait; wait").key("stop_signal", "SIGUSR1");
        let daemon = service.start();
        let child = service.number("forked");
        child.signal(signal);
        wait_until("the child's death", || child.status("State").starts_with('Z'));
        assert!(service.pidfile().exists(), "{signal} of a child has removed the pidfile");
        service.act("status").runs(daemon);
        service.stop(daemon);
        service.left_nothing();
    }
}

#[test]
fn a_forked_child_that_exits_takes_nothing_along() {
    for end in ["exit 0", "exit 3", "panic", "print", "abort", "ready & exit 0"] {
        let service = Service::new(&format!("fork {end}; wait"));
        let daemon = service.start();
        let child = service.number("forked");
        wait_until("the child's end", || child.status("State").starts_with('Z'));
        assert!(service.pidfile().exists(), "`{end}` of a child has removed the pidfile");
        service.act("status").runs(daemon);
        service.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
        service.stop(daemon);
    }
}

#[test]
fn a_stop_of_the_daemon_isnt_the_childs() {
    let service = Service::new("fork wait; wait; print ended");
    let daemon = service.start();
    let child = service.number("forked");
    service.stop(daemon);
    service.log_with("ended");
    assert!(child.is_alive());
    assert_eq!(service.log_text().matches("stopping true").count(), 1);
    assert!(!service.pidfile().exists());
}

#[test]
fn a_forked_child_keeps_no_lock() {
    let service = Service::new("fork park; wait");
    let first = service.start();
    let child = service.number("forked");
    service.stop(first);
    assert!(child.is_alive());
    service.act("status").says(3, "subject: not running");
    let second = service.start();
    service.act("status").runs(second);
    service.stop(second);
}

#[test]
fn a_spawned_program_has_default_signals() {
    // By the standard library, which resets signals; by a bare exec; and from a thread.
    for body in ["spawn sleep 1000; wait", "fork exec sleep 1000; wait", "threads 1 spawn sleep 1000 & wait"]
    {
        let service = Service::new(body);
        let daemon = service.start();
        let child = service.number(if body.contains("fork") { "forked" } else { "spawned" });
        wait_until("sleep", || child.link("exe").ends_with("sleep"));
        assert_eq!(child.signals("SigBlk"), [], "{body}");
        assert_eq!(child.signals("SigCgt"), [], "{body}");
        // Rust's runtime ignores SIGPIPE. Only a bare exec passes that on.
        let ignored = child.signals("SigIgn");
        assert!(ignored.iter().all(|signal| *signal == Signal::SIGPIPE), "{body}: {ignored:?}");
        child.signal(Signal::SIGTERM);
        wait_until("the child's death", || child.status("State").starts_with('Z'));
        service.act("status").runs(daemon);
        service.stop(daemon);
    }
}

// ---- handlers of other crates ----

#[test]
fn signal_hook_and_the_context_hear_the_same_stop() {
    for signal in ALL_STOP_SIGNALS {
        let service = Service::new("").until(&format!("hook {signal}; wait; until"));
        let daemon = service.start();
        service.log_with(&format!("hooked {signal}"));
        daemon.signal(signal);
        service.log_with("stopping true");
        service.log_with(&format!("signal-hook heard {signal}"));
        service.go();
        assert_eq!(daemon.exit_code(), 0);
        service.left_nothing();
    }
}

#[test]
fn signal_hook_hears_a_stop_and_the_body_goes_on() {
    // With a context, and without one, where our handler alone would end the process.
    for form in ["graceful", "plain"] {
        let service = Service::new("").form(form).until("hook SIGTERM; until; code 6");
        let daemon = service.start();
        service.log_with("until");
        daemon.signal(Signal::SIGTERM);
        service.log_with("signal-hook heard SIGTERM");
        service.act("status").runs(daemon);
        service.go();
        assert_eq!(daemon.exit_code(), 6, "{form}");
        service.left_nothing();
    }
}

#[test]
fn what_signal_hook_wasnt_asked_for_is_still_ours() {
    let service = Service::new("").form("plain").until("hook SIGTERM; until");
    let daemon = service.start();
    service.log_with("until");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.killer(), Signal::SIGINT);
    service.left_nothing();
}

#[test]
fn signal_hook_hears_a_reload_and_the_log_is_reopened() {
    let service = Service::new("hook SIGHUP; event; print new; wait");
    let daemon = service.start();
    service.log_with("hooked SIGHUP");
    let old = service.path("old");
    fs::rename(service.log(), &old).unwrap();
    service.act("reload");
    service.log_with("new");
    service.log_with("signal-hook heard SIGHUP");
    service.log_with("Reload");
    assert_eq!(fs::read_to_string(&old).unwrap(), "hooked SIGHUP\n");
    service.stop(daemon);
}

#[test]
fn ctrlc_takes_over_sigint_and_no_other() {
    for form in ["graceful", "plain"] {
        let service = Service::new("").form(form).until("ctrlc; until; print went on; park");
        let daemon = service.start();
        service.log_with("until");
        daemon.signal(Signal::SIGINT);
        service.log_with("ctrlc");
        service.go();
        service.log_with("went on");
        service.act("status").runs(daemon);
        service.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        service.act("status").runs(daemon);
        if form == "plain" {
            service.stop(daemon);
            assert_eq!(daemon.killer(), Signal::SIGTERM);
        } else {
            service.key("stop_timeout", "50").act("stop");
        }
    }
    let service = Service::new("ctrlc; print up; wait; code 8");
    let daemon = service.start();
    service.log_with("up");
    service.stop(daemon);
    assert_eq!(daemon.exit_code(), 8);
    service.left_nothing();
}

// ---- two in one program ----

fn pair() -> Service {
    Service::of(program("pair"))
}

fn pair_act(pair: &Service, words: &[&str]) -> Answer {
    let mut command = pair.action(words[0]);
    command.args(&words[1..]);
    Answer::of(command)
}

fn log_of(pair: &Service, name: &str) -> String {
    unstamped(&fs::read_to_string(pair.path(&format!("{name}.log"))).unwrap_or_default())
}

#[test]
fn two_daemons_of_one_program_hear_each_for_itself() {
    let pair = pair();
    let answer = pair_act(&pair, &["start"]);
    assert!(answer.status.success(), "{answer:?}");
    assert_eq!(answer.stdout.matches(": started (pid ").count(), 2, "{answer:?}");
    let lines = |name: &str| log_of(&pair, name).lines().count();
    wait_until("both", || lines("a") == 1 && lines("b") == 1);
    assert!(pair_act(&pair, &["reload", "b"]).status.success());
    wait_until("the reload", || lines("b") == 2);
    assert!(pair_act(&pair, &["stop", "a"]).status.success());
    assert_eq!(log_of(&pair, "a"), "a began, stopping false\na Stop\na ends, stopping true\n");
    assert_eq!(log_of(&pair, "b"), "b began, stopping false\nb Reload\n");
    assert_eq!(pair_act(&pair, &["status", "a"]).status.code(), Some(3));
    assert_eq!(pair_act(&pair, &["status", "b"]).status.code(), Some(0));
    assert!(pair_act(&pair, &["stop", "b"]).status.success());
}

#[test]
fn two_runs_in_two_threads_dont_end_each_other() {
    let pair = pair();
    let run = run_pair(&pair, "threads");
    wait_until("both", || pair.path("a.pid").exists() && pair.path("b.pid").exists());
    pair.log_with("a began, stopping false");
    pair.log_with("b began, stopping false");
    for name in ["a", "b"] {
        let text = fs::read_to_string(pair.path(&format!("{name}.pid"))).unwrap();
        assert_eq!(text, format!("{}\n", run.process));
    }
    fs::write(pair.path("end-a"), "").unwrap();
    pair.log_with("a ended: Finished { code: 0 }");
    assert!(pair.log_text().contains("a ends, stopping false\n"));
    assert!(!pair.path("a.pid").exists());
    assert!(pair.path("b.pid").exists());
    assert_eq!(pair_act(&pair, &["status", "a"]).status.code(), Some(3));
    assert_eq!(pair_act(&pair, &["status", "b"]).status.code(), Some(0));
    // The handlers of the remaining daemon are still installed.
    assert!(pair_act(&pair, &["reload", "b"]).status.success());
    pair.log_with("b Reload");
    pair_act(&pair, &["stop", "b"]).says(0, &format!("b: stopped (pid {})", run.process));
    pair.log_with("b ended: Finished { code: 0 }");
    assert_eq!(run.answer().status.code(), Some(0));
    assert!(!pair.path("b.pid").exists());
}

#[test]
fn a_signal_for_the_process_is_for_both_of_its_runs() {
    for signal in ALL_STOP_SIGNALS {
        let pair = pair();
        let run = run_pair(&pair, "threads");
        pair.log_with("a began, stopping false");
        pair.log_with("b began, stopping false");
        run.process.signal(signal);
        assert_eq!(run.answer().status.code(), Some(0));
        for line in ["a ends, stopping true\n", "b ends, stopping true\n"] {
            assert!(pair.log_text().contains(line), "{:?}", pair.log_text());
        }
        assert!(!pair.path("a.pid").exists() && !pair.path("b.pid").exists());
    }
}

#[test]
fn a_second_run_isnt_stopped_by_the_firsts_end_nor_a_kept_context_revived() {
    let pair = pair();
    let run = run_pair(&pair, "again");
    pair.log_with("second stopping false, readable false");
    pair.log_with("first stopping true, readable true");
    pair_act(&pair, &["reload", "a"]);
    pair.log_with("second Reload");
    pair_act(&pair, &["stop", "a"]);
    assert_eq!(run.answer().status.code(), Some(0));
}

/// Runs both in the foreground, with their output in the log.
fn run_pair(pair: &Service, word: &str) -> Run {
    let log = fs::File::create(pair.log()).unwrap();
    let child = pair.action(word).stdout(log).spawn().unwrap();
    let process = Process(child.id().try_into().unwrap());
    Run { child, process }
}

// ---- the foreground ----

#[test]
fn signals_stop_a_graceful_body_in_the_foreground() {
    for signal in ALL_STOP_SIGNALS {
        let service = Service::new("print up; wait; code 5");
        let run = service.run();
        service.log_with("up");
        run.process.signal(signal);
        assert_eq!(run.answer().status.code(), Some(5), "{signal}");
        service.left_nothing();
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once_and_removes_the_pidfile() {
    for body in [
        "print up; wait; print heard; park",
        "print up; threads 2 park",
        "print up; threads 1 wait & print heard & park",
    ] {
        let service = Service::new(body);
        let run = service.run();
        service.log_with("up");
        run.process.signal(Signal::SIGINT);
        wait_until("the first one", || pending(run.process).is_empty());
        if body.contains("heard") {
            service.log_with("heard");
        }
        service.act("status").runs(run.process);
        run.process.signal(Signal::SIGINT);
        assert_eq!(run.answer().signal(), Some(Signal::SIGINT), "{body}");
        service.left_nothing();
    }
}

#[test]
fn a_signal_right_after_the_pidfile_is_there_leaves_none() {
    if !common::strace_or_skip() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let service = Service::new("wait; code 5");
        // It installs its handlers slowly.
        let mut command = service.command("strace");
        command.args(["-o", "/dev/null", "-e", "inject=rt_sigaction:delay_enter=100000"]);
        let child = command.arg(program("service")).arg("run").spawn().unwrap();
        let daemon = service.daemon();
        daemon.signal(signal);
        if signal == Signal::SIGHUP {
            let status = service.act("status");
            assert!(status.stdout.starts_with(&format!("subject: starting (pid {daemon}")), "{status:?}");
            service.act("stop");
        }
        let answer = Answer::from(child);
        service.left_nothing();
        assert_eq!(answer.status.code(), Some(5), "{signal}");
    }
}

#[test]
fn a_second_sigterm_changes_nothing() {
    let service = Service::new("").until("print up; wait; until; code 5");
    let run = service.run();
    service.log_with("up");
    run.process.signal(Signal::SIGTERM);
    service.log_with("until");
    run.process.signal(Signal::SIGTERM);
    wait_until("the second one", || pending(run.process).is_empty());
    service.go();
    assert_eq!(run.answer().status.code(), Some(5));
}

#[test]
fn in_the_background_a_second_sigint_changes_nothing() {
    let service = Service::new("").until("wait; until; code 5");
    let daemon = service.start();
    daemon.signal(Signal::SIGINT);
    service.log_with("until");
    daemon.signal(Signal::SIGINT);
    wait_until("the second one", || pending(daemon).is_empty());
    service.go();
    assert_eq!(daemon.exit_code(), 5);
}

#[test]
fn a_terminals_ctrl_c_reaches_the_body_and_its_children_do_as_they_like() {
    // The terminal signals the whole group. The signal kills the body's child; the body returns.
    let service = Service::new("spawn sleep 1000; wait; code 5");
    let mut command = service.action("run");
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let run = service.run_by(command);
    let child = service.number("spawned");
    wait_until("sleep", || child.link("exe").ends_with("sleep"));
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(run.process.0), Signal::SIGINT).unwrap();
    assert_eq!(run.answer().status.code(), Some(5));
    child.wait_until_gone();
}

// ---- results ----

#[test]
fn an_errors_whole_chain_is_in_the_log() {
    let service = Service::new("fail the disk is full");
    let daemon = service.start();
    assert_eq!(daemon.exit_code(), 1);
    service.logs("subject: cannot work: the disk is full\n");
    service.left_a_reason();
    let answer = service.act("run");
    assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(1), ""));
    assert_eq!(unstamped(&answer.stderr), "subject: cannot work: the disk is full\n");
}

#[test]
fn an_exit_code_is_passed_on() {
    for code in [0, 1, 2, 101, 255] {
        let service = Service::new(&format!("code {code}"));
        assert_eq!(service.start().exit_code(), code);
        assert_eq!(service.act("run").status.code(), Some(code));
        if code == 0 { service.left_nothing() } else { service.left_a_reason() }
    }
}

#[test]
fn a_body_that_never_returns_is_accepted() {
    let service = Service::new("ready; print up").form("endless").waiting(10_000).key("stop_timeout", "50");
    let daemon = service.start();
    service.log_with("up");
    service
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 50ms of SIGTERM"));
    let service = Service::new("exit 9").form("endless");
    assert_eq!(service.start().exit_code(), 9);
    service.left_a_reason();
}

#[test]
fn a_failed_run_ends_a_repeating_daemon_by_default() {
    for (body, code) in [("fail no tick", 1), ("panic no tick", 101), ("code 7", 7)] {
        for form in ["repeat", "plain repeat"] {
            let service = Service::new(body).form(form).key("every", "1");
            assert_eq!(service.start().exit_code(), code, "{body}");
            assert_eq!(service.log_text().matches("no tick").count(), usize::from(code != 7), "{body}");
            service.left_a_reason();
        }
    }
}

#[test]
fn a_failed_run_is_logged_and_the_next_one_comes() {
    for (failure, line) in
        [("fail no tick", "subject: cannot work: no tick\n"), ("panic no tick", "no tick\n")]
    {
        for form in ["repeat", "plain repeat"] {
            let service = Service::new(failure).form(form).key("every", "1").key("times", "3");
            let service = service.key("on_error", "continue");
            assert_eq!(service.start().exit_code(), 0, "{failure}");
            assert_eq!(service.log_text().matches(line).count(), 3, "{:?}", service.log_text());
            service.left_nothing();
        }
    }
}

#[test]
fn a_daemon_listens_to_no_more_signals_than_it_needs() {
    let service = Service::new("print up; wait");
    let daemon = service.start();
    service.log_with("up");
    let ours = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];
    let rusts = [Signal::SIGSEGV, Signal::SIGBUS];
    let caught = daemon.signals("SigCgt");
    assert!(ours.iter().all(|signal| caught.contains(signal)), "{caught:?}");
    assert!(caught.iter().all(|signal| ours.contains(signal) || rusts.contains(signal)), "{caught:?}");
    assert_eq!(daemon.signals("SigIgn"), [Signal::SIGPIPE]);
    assert_eq!(daemon.signals("SigBlk"), []);
    service.stop(daemon);
}

#[test]
fn a_daemon_of_a_daemon_that_has_hooked_a_signal_stops_by_that_in_order() {
    for form in ["plain", "graceful"] {
        let outer = Service::new("").form(form);
        let inner = outer.path("inner.pid");
        let outer = outer.key("body", format!("flag SIGTERM; other {}; print begun; park", inner.display()));
        outer.start();
        outer.log_with("begun");
        let daemon = Process(fs::read_to_string(&inner).unwrap().trim().parse().unwrap());
        let stop = Subject::new().key("pidfile", &inner).key("stop_timeout", "5000").act("stop");
        stop.says(0, &format!("subject: stopped (pid {daemon})"));
        assert_eq!(daemon.killer(), Signal::SIGTERM);
        assert!(!inner.exists(), "the pidfile is left");
    }
}
