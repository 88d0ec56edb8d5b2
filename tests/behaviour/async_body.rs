//! Async bodies, with tokio itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use common::async_programs::{Service, program};
use common::{Answer, wait_until};
use nix::sys::signal::Signal;

const SERVERS: [&str; 4] = ["multi_thread", "current_thread", "multi_thread_inside", "current_thread_inside"];

/// A client of the async servers.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(service: &Service) -> Self {
        let address = common::wait_for("the address", || {
            let text = service.log_text();
            Some(text.split_once("address ")?.1.split_once('\n')?.0.to_owned())
        });
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").expect("it listens");
        let mut answer = String::new();
        self.0.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, format!("{line} done\n"));
    }
}

/// Uses everything that an async body may need, on several connections.
fn use_everything(service: &Service) {
    let mut clients: Vec<_> = (0..5).map(|_| Client::of(service)).collect();
    for line in ["socket", "timer", "blocking"] {
        for client in &mut clients {
            client.ask(line);
        }
    }
}

/// Reloads the server, and stops it by a signal or an action. Every waiter receives both.
fn ends_in_order(service: &Service, stop: impl FnOnce()) {
    service.act("reload");
    service.log_with("reloaded");
    assert_eq!(service.log_text().matches("reloaded").count(), 1);
    stop();
    service.log_with("waiters 100");
    service.log_with("connections 5");
}

#[test]
fn the_async_waits_report_a_stop_to_each_run_whose_time_is_over() {
    let service = Service::variant("limited");
    service.start().wait_until_gone();
    let log = common::notice::unstamped(&service.log_text());
    // The thread writes its line while the run goes on.
    let log = log.replace("subject: stopping a run, which has not ended within 500ms\n", "");
    assert_eq!(log, "begin false\nend true\nsubject: timed out after 500ms\n".repeat(3));
}

#[test]
fn both_orders_of_the_attributes_and_both_runtimes_work_in_the_background() {
    for variant in SERVERS {
        let service = Service::variant(variant);
        let daemon = service.start();
        use_everything(&service);
        service.act("status").runs(daemon);
        ends_in_order(&service, || service.stop(daemon));
        assert_eq!(daemon.exit_code(), 0, "{variant}");
        service.left_nothing();
    }
}

#[test]
fn both_orders_of_the_attributes_and_both_runtimes_work_in_the_foreground() {
    for variant in SERVERS {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let service = Service::variant(variant);
            let run = service.run();
            use_everything(&service);
            ends_in_order(&service, || run.process.signal(signal));
            assert_eq!(run.answer().status.code(), Some(0), "{variant}");
            service.left_nothing();
        }
    }
}

#[test]
fn a_restart_gives_the_next_one_a_runtime_of_its_own() {
    let service = Service::variant("multi_thread");
    let first = service.start();
    use_everything(&service);
    fs::rename(service.log(), service.path("old")).unwrap();
    let answer = service.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    assert!(!first.is_alive());
    use_everything(&service);
    ends_in_order(&service, || service.stop(second));
}

#[test]
fn a_storm_of_reloads_leaves_no_descriptor_and_no_waiter_behind() {
    let service = Service::variant("multi_thread");
    let daemon = service.start();
    use_everything(&service);
    service.act("reload");
    service.log_with("reloaded");
    wait_until("closed connections", || daemon.connections() == 0);
    let before = daemon.descriptors();
    for _ in 0..1000 {
        daemon.signal(Signal::SIGHUP);
    }
    wait_until("the end of the storm", || !daemon.signals("ShdPnd").contains(&Signal::SIGHUP));
    wait_until("the same descriptors", || daemon.descriptors() == before);
    service.stop(daemon);
    service.log_with("waiters 100");
}

#[test]
fn a_plain_async_body_has_its_parameter_and_is_ended_at_once() {
    let service = Service::variant("plain");
    let daemon = service.start();
    service.logs("made before the fork\ntick\n");
    service.stop(daemon);
    assert_eq!(daemon.killer(), Signal::SIGTERM);
    service.left_nothing();
}

#[test]
fn an_async_body_repeats() {
    let service = Service::variant("tick");
    assert_eq!(service.start().exit_code(), 0);
    service.logs("tick tock\ntick tock\ntick tock\n");
    service.left_nothing();
    let run = service.act("run");
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(0), "tick tock\ntick tock\ntick tock\n"));
}

#[test]
fn a_stop_lets_an_async_run_finish() {
    let service = Service::variant("tick_current_thread");
    let daemon = service.start();
    service.log_with("tick");
    service.stop(daemon);
    assert_eq!(daemon.exit_code(), 0);
    service.logs("tick\ntock\n");
}

#[test]
fn an_async_bodys_error_is_told_with_its_chain() {
    let service = Service::variant("failing");
    let reason = "cannot begin: cannot read the settings: No such file or directory (os error 2)";
    service.act("start").fails(1, &format!("subject: failed to start: {reason}"));
    service.logs(&format!("stopping false\nsubject: {reason}\n"));
    service.left_nothing();
}

#[test]
fn an_async_body_that_ignores_its_context_is_killed() {
    let service = Service::variant("deaf");
    let daemon = service.start();
    service.log_with("deaf");
    service
        .act("stop")
        .says(0, &format!("subject: killed (pid {daemon}): did not exit within 50ms of SIGTERM"));
    service.left_nothing();
}

#[test]
fn a_second_ctrl_c_ends_an_async_body_at_once() {
    let service = Service::variant("deaf");
    let run = service.run();
    service.log_with("deaf");
    run.process.signal(Signal::SIGINT);
    wait_until("the first one", || !run.process.signals("ShdPnd").contains(&Signal::SIGINT));
    service.act("status").runs(run.process);
    run.process.signal(Signal::SIGINT);
    assert_eq!(run.answer().signal(), Some(Signal::SIGINT));
    service.left_nothing();
}

#[test]
fn tokios_signals_and_the_context_hear_the_same() {
    let service = Service::variant("graceful_signals");
    let daemon = service.start();
    let old = service.path("old");
    fs::rename(service.log(), &old).unwrap();
    service.act("reload");
    service.logs("tokio heard a hangup, the context Reload\n");
    assert_eq!(fs::read_to_string(&old).unwrap(), "");
    service.stop(daemon);
    service.logs("tokio heard a hangup, the context Reload\ntokio heard a stop, the context Stop\n");
    assert_eq!(daemon.exit_code(), 0);
    service.left_nothing();
}

#[test]
fn a_plain_body_may_hear_of_a_stop_by_tokios_signals() {
    let service = Service::variant("plain_signals");
    let daemon = service.start();
    service.log_with("listening");
    service.stop(daemon);
    assert_eq!(daemon.exit_code(), 7);
    service.logs("listening\ntokio heard a stop\n");
    service.left_nothing();
    // tokio handles only the signals that the body asks it for.
    let daemon = service.start();
    wait_until("listening", || service.log_text().matches("listening").count() == 2);
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.killer(), Signal::SIGINT);
    service.left_nothing();
}

#[test]
fn a_wait_needs_no_driver_of_the_runtime_and_works_after_the_stop() {
    let service = Service::variant("sleepless");
    let daemon = service.start();
    service.act("reload");
    service.logs("Reload\n");
    service.stop(daemon);
    service.logs("Reload\nStop Stop\nstopped\n");
}

#[test]
fn a_reload_before_the_first_wait_isnt_missed() {
    for _ in 0..20 {
        let service = Service::variant("sleepless");
        let daemon = service.start();
        service.act("reload");
        service.log_with("Reload");
        service.stop(daemon);
    }
}

#[test]
fn a_stop_right_after_the_start_is_heard() {
    for variant in ["sleepless", "reactor", "multi_thread", "current_thread"] {
        for _ in 0..10 {
            let service = Service::variant(variant);
            let daemon = service.start();
            service.stop(daemon);
            assert_eq!(daemon.exit_code(), 0, "{variant}: {:?}", service.log_text());
        }
    }
}

#[test]
fn the_descriptor_works_in_tokios_reactor() {
    let service = Service::variant("reactor");
    let daemon = service.start();
    service.stop(daemon);
    service.logs("readable early false, stopping true\n");
}

#[test]
fn an_async_main_with_a_context_is_a_whole_program() {
    let service = Service::of(program("whole_async"));
    let mut command = service.action("start");
    command.args(["and", "more"]);
    let answer = Answer::of(command);
    let daemon = answer.pid();
    answer.says(0, &format!("whole_async: started (pid {daemon})"));
    service.logs("arguments [\"and\", \"more\"]\n");
    service.act("stop").says(0, &format!("whole_async: stopped (pid {daemon})"));
    service.log_with("stopped");
    service.left_nothing();
    assert_eq!(service.act("status").status.code(), Some(3));
    assert_eq!(service.act("nonsense").status.code(), Some(2));
    let run = service.run();
    service.log_with("arguments []");
    run.process.signal(Signal::SIGINT);
    assert_eq!(run.answer().status.code(), Some(0));
}

/// Runs every action inside a runtime. Those that fork are refused with advice, the others work.
fn refuses_to_fork(inside: &Service) {
    for action in ["start", "restart"] {
        let advice = ["subject: failed to start: ", "`main`", "#[daemon(..)] #[tokio::main] async fn"];
        inside.act(action).fails_naming(1, &advice);
        assert!(!inside.pidfile().exists());
        assert_eq!(inside.processes(), []);
    }
    inside.act("status").says(3, "subject: not running");
    inside.act("stop").says(0, "subject: not running");
    inside.act("reload").fails(1, "subject: not running");
    let run = inside.run();
    inside.await_body();
    inside.act("status").runs(run.process);
    inside.act("reload").says(0, &format!("subject: reloaded (pid {})", run.process));
    // Refused before anything is stopped.
    inside.act("restart").fails_naming(1, &["failed to start: "]);
    inside.act("status").runs(run.process);
    inside.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
    inside.left_nothing();
}

#[test]
fn a_start_inside_a_runtime_is_refused_with_advice() {
    for flavor in ["multi_thread", "current_thread"] {
        refuses_to_fork(&Service::of(program("inside")).key("flavor", flavor));
    }
}

#[test]
fn a_start_inside_a_runtime_of_many_threads_is_refused_without_the_feature_too() {
    refuses_to_fork(&Service::of(program("inside_plain")));
}

const ADVICE: &str = "this is inside a tokio runtime, which does not survive a fork; remove `#[tokio::main]` from `main` \
                      (or call this before the runtime is built), and keep it on the daemon's fn: \
                      `#[daemon(..)] #[tokio::main] async fn ..`";

#[test]
fn a_body_that_builds_a_runtime_is_refused_inside_another() {
    for variant in ["attribute", "context", "repeat", "builder"] {
        for flavor in ["multi_thread", "current_thread"] {
            let nested = Service::of(program("nested")).key("variant", variant).key("flavor", flavor);
            nested.act("start").fails(1, &format!("subject: failed to start: {ADVICE}"));
            nested.act("restart").fails(1, &format!("subject: failed to start: {ADVICE}"));
            let run = nested.act("run");
            run.fails(1, &format!("subject: failed to start: {ADVICE}"));
            assert_eq!(run.stdout, "", "{variant}, {flavor}");
            nested.left_nothing();
        }
    }
}

#[test]
fn a_body_that_builds_a_runtime_runs_where_it_may_block() {
    for place in ["blocking", "entered"] {
        for variant in ["attribute", "builder"] {
            let nested = Service::of(program("nested")).key("variant", variant).key("place", place);
            let run = nested.act("run");
            assert_eq!(
                (run.status.code(), run.stdout.as_str(), run.stderr.as_str()),
                (Some(0), "body\n", "")
            );
            nested.left_nothing();
        }
    }
}

#[test]
fn another_panic_inside_a_runtime_is_told_as_it_is() {
    let run = Service::of(program("nested")).key("variant", "panicking").act("run");
    assert_eq!(run.status.code(), Some(101), "{}", run.stderr);
    assert!(run.stderr.contains("of its own"), "{}", run.stderr);
}
