//! `run`: the same daemon in the foreground.

use std::fs;

use common::notice::unstamped;
use common::{
    Answer, Conversation, Foreground, Process, Subject, root_or_skip, strace_or_skip, tool_or_skip,
    wait_until,
};
use nix::sys::signal::Signal;

#[test]
fn run_stays_in_the_process_that_was_called() {
    let subject = Subject::new();
    let run = subject.run();
    assert_eq!(subject.processes(), [run.process]);
    subject.await_body();
    subject.act("status").runs(run.process);
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
    assert_eq!(run.answer().signal(), Some(Signal::SIGTERM));
    subject.left_nothing();
}

#[test]
fn run_leaves_streams_directory_and_umask_alone() {
    let subject = Subject::new();
    let printed = subject.path("printed");
    let subject = subject.body(format!("print out; warn err; make {}; park", printed.display()));
    let mut command = subject.after("umask 027", "run");
    command.current_dir(subject.path("."));
    let child = command.spawn().unwrap();
    let process = Process(child.id().try_into().unwrap());
    wait_until("the lines", || printed.exists());
    assert_eq!(subject.pid_text(), format!("{process}\n"));
    assert_eq!(process.link("cwd"), subject.path(".").canonicalize().unwrap());
    assert_eq!(process.status("Umask"), "0027");
    assert_eq!(process.link("fd/0").to_str(), Some("/dev/null"));
    subject.act("stop");
    let answer = Answer::from(child);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("out\n", "err\n"));
    assert!(!subject.log().exists());
}

#[test]
fn the_exit_code_of_run_is_the_bodys() {
    for (body, code, stderr) in [
        ("code 0", 0, ""),
        ("code 9", 9, ""),
        ("exit 7", 7, ""),
        ("nothing", 0, ""),
        ("fail the disk is full", 1, "subject: the disk is full: the cause\n"),
    ] {
        let subject = Subject::new().body(body);
        let answer = subject.act("run");
        assert_eq!(answer.status.code(), Some(code), "{body}");
        assert_eq!((answer.stdout.as_str(), &*unstamped(&answer.stderr)), ("", stderr), "{body}");
        if code == 0 { subject.left_nothing() } else { subject.left_a_reason() }
    }
    let subject = Subject::new().body("panic all is lost");
    let answer = subject.act("run");
    assert_eq!(answer.status.code(), Some(101));
    assert!(answer.stderr.contains("all is lost"), "{answer:?}");
    subject.left_a_reason();
}

#[test]
fn a_process_with_many_threads_can_run() {
    let subject = Subject::new().key("thread", "").body("print ran");
    subject.act("run").says(0, "ran");
}

#[test]
fn ctrl_c_ends_a_plain_body() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let subject = Subject::new();
        let run = subject.run();
        run.process.signal(signal);
        assert_eq!(run.answer().signal(), Some(signal));
        subject.left_nothing();
    }
}

#[test]
fn a_signal_before_the_body_begins_is_heard_like_any_other() {
    if !strace_or_skip() {
        return;
    }
    for (context, signal) in [(false, Signal::SIGINT), (true, Signal::SIGTERM), (false, Signal::SIGHUP)] {
        let subject = Subject::new();
        let pidfile = subject.pidfile();
        let subject = if context { subject.graceful("wait") } else { subject.body("print begun") };
        let (strace, process) = subject.held(&["-P", pidfile.to_str().unwrap()], "write", "run");
        assert_eq!(subject.pid_text(), format!("{process}\n"));
        process.signal(signal);
        process.signal(Signal::SIGCONT);
        let answer = Answer::from(strace);
        match signal {
            Signal::SIGINT => assert_eq!(answer.signal(), Some(signal), "{answer:?}"),
            Signal::SIGTERM => answer.says(0, "stopping true"),
            _ => answer.says(0, "begun"),
        }
        subject.left_nothing();
    }
}

#[test]
fn ctrl_c_stops_a_body_with_a_context() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let subject = Subject::new().graceful("wait; code 5");
        let run = subject.run();
        run.process.signal(signal);
        let answer = run.answer();
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(5), "stopping true\n"));
        subject.left_nothing();
    }
}

#[test]
fn a_second_ctrl_c_ends_a_body_with_a_context_at_once() {
    let subject = Subject::new();
    let note = subject.path("note");
    let subject = subject.key("open", &note).graceful("wait; note stopping; park");
    let run = subject.run();
    run.process.signal(Signal::SIGINT);
    wait_until("the body to hear", || fs::read_to_string(&note).unwrap() == "stopping\n");
    assert!(run.process.is_alive());
    run.process.signal(Signal::SIGINT);
    assert_eq!(run.answer().signal(), Some(Signal::SIGINT));
    subject.left_nothing();
}

#[test]
fn ctrl_c_ends_a_repeating_body() {
    let subject = Subject::new();
    let subject = subject.every(3_600_000, "print ran");
    let run = subject.run();
    run.process.signal(Signal::SIGINT);
    let answer = run.answer();
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    subject.left_nothing();
}

#[test]
fn second_run_is_refused() {
    let subject = Subject::new();
    let run = subject.run();
    for action in ["run", "start"] {
        subject.act(action).fails(1, &format!("subject: already running (pid {})", run.process));
    }
    assert_eq!(subject.pid_text(), format!("{}\n", run.process));
}

#[test]
fn run_is_refused_while_a_daemon_runs() {
    let subject = Subject::new();
    let daemon = subject.start();
    subject.act("run").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("status").runs(daemon);
}

#[test]
fn one_process_can_run_again_and_gets_its_signals_back() {
    let subject = Subject::new().body("nothing");
    let mut caller = subject.converse();
    caller.say("status");
    let state =
        || (caller.process.status("SigCgt"), caller.process.status("SigBlk"), caller.process.descriptors());
    let before = state();
    for _ in 0..3 {
        assert_eq!(talk(&mut caller, "run"), "Finished { code: 0 }");
        assert_eq!(
            (caller.process.status("SigCgt"), caller.process.status("SigBlk"), caller.process.descriptors()),
            before
        );
        assert_eq!(talk(&mut caller, "status"), "NotRunning subject: not running");
        assert!(!subject.pidfile().exists());
    }
    caller.process.signal(Signal::SIGINT);
    assert_eq!(caller.end().signal(), Some(Signal::SIGINT));
}

fn talk(caller: &mut Conversation, action: &str) -> String {
    caller.say(action).trim().to_owned()
}

#[test]
fn a_process_that_has_run_can_start() {
    let subject = Subject::new().body("nothing");
    let mut caller = subject.converse();
    talk(&mut caller, "run");
    assert!(talk(&mut caller, "start").contains("subject: started (pid "));
}

#[test]
fn a_caller_that_ignores_sigterm_can_still_stop_what_it_runs() {
    // `run` handles SIGTERM, whatever the caller did with it.
    let subject = Subject::new().graceful("wait");
    let child =
        subject.wrapped(&["env", "--ignore-signal=TERM", "--block-signal=TERM"], "run").spawn().unwrap();
    wait_until("the pidfile", || !subject.pid_text().is_empty());
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", child.id()));
    assert_eq!(Answer::from(child).status.code(), Some(0));
}

#[test]
fn a_panic_in_run_is_told_once() {
    let subject = Subject::new().graceful("panic once only");
    let answer = subject.act("run");
    assert_eq!(answer.stderr.matches("once only").count(), 1, "{answer:?}");
}

#[test]
fn a_caller_gets_back_what_it_blocked_and_ignored() {
    let subject = Subject::new().body("nothing");
    let mut command =
        subject.wrapped(&["env", "--ignore-signal=INT,HUP", "--block-signal=TERM,USR1"], "converse");
    let mut caller = Conversation::with(&mut command);
    talk(&mut caller, "status");
    let process = caller.process;
    let state = || ["SigBlk", "SigIgn", "SigCgt"].map(|field| process.status(field));
    let before = state();
    assert_eq!(talk(&mut caller, "run"), "Finished { code: 0 }");
    assert_eq!(state(), before);
}

#[test]
fn a_body_that_runs_may_start_another_daemon() {
    may_start_another(|subject| {
        let run = subject.run();
        (run.process, Some(run))
    });
}

#[test]
fn a_daemon_may_start_another_one() {
    may_start_another(|subject| (subject.start(), None));
}

fn may_start_another(begin: fn(&Subject) -> (Process, Option<Foreground>)) {
    for first_to_go in [0, 1] {
        let other = Subject::new().key("name", "other");
        let note = other.pidfile();
        let subject = Subject::new();
        let subject = subject.graceful(format!("other {}; wait", note.display()));
        let (outer, _run) = begin(&subject);
        wait_until("the other daemon", || other.pid_text().ends_with('\n'));
        let inner = Process(other.pid_text().trim().parse().unwrap());
        assert_ne!(inner, outer);
        let both = [(&subject, "subject", outer), (&other, "other", inner)];
        for at in [first_to_go, 1 - first_to_go] {
            let (subject, name, process) = both[at];
            subject.act("stop").says(0, &format!("{name}: stopped (pid {process})"));
            assert!(!process.is_alive());
            assert!(!subject.pidfile().exists());
            if at == first_to_go {
                assert!(both[1 - at].2.is_alive());
                assert!(both[1 - at].0.pidfile().exists());
            }
        }
    }
}

#[test]
fn a_pidfile_is_not_the_standard_stream_that_was_closed() {
    for closed in ["0", "1", "2", "0,1,2"] {
        let subject = Subject::new().key("close", closed).body("print lost; warn lost too; park");
        let run = subject.run();
        assert_eq!(subject.pid_text(), format!("{}\n", run.process));
        let without = subject.without("close");
        without.await_body();
        without.act("status").runs(run.process);
        without.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
        run.answer();
    }
}

#[test]
fn a_question_of_another_thread_doesnt_cost_the_lock() {
    let subject = Subject::new().key("thread", "ask");
    for _ in 0..400 {
        let run = subject.run();
        let answer = subject.act("stop");
        answer.says(0, &format!("subject: stopped (pid {})", run.process));
        run.answer();
    }
}

#[test]
fn a_child_with_the_daemons_number_is_not_the_daemon() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    for end in ["exit 0", "act status; act stop", "act start"] {
        let subject = Subject::new().body(format!("namespace; fork {end}; reap; print reaped; park"));
        let subject = subject.without("stdout");
        let log = fs::File::create(subject.log()).unwrap();
        let mut container = subject.wrapped(&["unshare", "-p", "-f"], "run");
        let container = container.stdout(log).spawn().unwrap();
        subject.log_with("reaped");
        assert_eq!(subject.pid_text(), "1\n", "after {end}");
        let daemon = subject.processes()[0];
        assert_eq!(subject.processes(), [daemon], "after {end}: {}", subject.log_text());
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        Answer::from(container);
        subject.left_nothing();
    }
}

#[test]
fn what_the_caller_ignores_stays_ignored_in_the_foreground() {
    for body in ["print up; park", "print up; wait"] {
        let subject = Subject::new().key("stop_signal", "SIGUSR1");
        let subject = if body.ends_with("wait") { subject.graceful(body) } else { subject.body(body) };
        let wrapper = ["env", "--ignore-signal=INT,QUIT,HUP,TERM,USR1"];
        let run = subject.run_by(subject.wrapped(&wrapper, "run"));
        let ignored = run.process.signals("SigIgn");
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
            assert!(ignored.contains(&signal), "{signal} in {ignored:?}");
            run.process.signal(signal);
        }
        subject.await_body();
        subject.act("status").runs(run.process);
        // The stop signal and SIGTERM are received all the same.
        let caught = run.process.signals("SigCgt");
        assert!(caught.contains(&Signal::SIGUSR1) && caught.contains(&Signal::SIGTERM), "{caught:?}");
        subject.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
    }
}

#[test]
fn a_stop_that_another_thread_gets_at_the_end_leaves_no_pidfile() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().body("print up").key("thread", "park");
    // The body has returned.
    let late = ["-e", "inject=unlink,?unlinkat:delay_enter=500000"];
    let run = subject.traced(&late, "run").spawn().unwrap();
    let is_at_end = || fs::read_to_string(subject.path("trace")).is_ok_and(|trace| trace.contains("unlink"));
    wait_until("the removal", is_at_end);
    Process(subject.pid_text().trim().parse().unwrap()).signal(Signal::SIGTERM);
    assert!(Answer::from(run).stdout.starts_with("up\n"));
    subject.left_nothing();
}
