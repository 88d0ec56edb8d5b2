//! What a daemon and its launcher do when what they trust in fails them: the kernel's word about the lock, a system
//! call, the body.

#[path = "common/async_programs.rs"]
mod async_programs;
mod common;

use std::fs;

use async_programs::Service;
use common::{
    Answer, Process, Subject, can_have, has_strace, has_tool, is_root, program, wait_for, wait_until,
};
use nix::sys::signal::Signal;

const PATIENT: &str = "20000";

/// Starts under strace, which makes a system call of the launcher fail each time, and of nobody else.
#[track_caller]
fn start_without(subject: &Subject, injection: &str) -> Answer {
    let trace = subject.path("trace");
    let mut command = subject.command("strace");
    command.arg("-o").arg(&trace).args(["-e", &format!("inject={injection}")]);
    command.arg(program("subject")).arg("start");
    let answer = Answer::of(command);
    // One that isn't heard of a second time has nothing to say.
    let is_rare = injection.ends_with("when=2+");
    let came = fs::read_to_string(trace).unwrap().contains("(INJECTED)");
    assert!(came || is_rare, "{injection} came to nothing");
    answer
}

/// Succeeds with a daemon that runs, or fails and leaves nothing.
#[track_caller]
fn is_true(answer: &Answer, subject: &Subject, what: &str) {
    if answer.status.success() {
        let daemon = answer.started();
        assert!(daemon.is_alive(), "{what}: a success without a daemon");
        assert_eq!(subject.pid_text(), format!("{daemon}\n"), "{what}");
    } else {
        assert_eq!(answer.status.code(), Some(1), "{what}: {answer:?}");
        assert!(answer.stderr.starts_with("subject: failed to start: "), "{what}: {answer:?}");
        wait_until(format_args!("the end of all processes, with {what}"), || subject.processes().is_empty());
        assert!(fs::symlink_metadata(subject.pidfile()).is_err(), "{what}: the pidfile is left");
        subject.act("status").says(3, "subject: not running");
    }
}

/// Nobody is named who has this lock: nobody is signalled, and there is no second daemon.
#[track_caller]
fn is_unknown(subject: &Subject) {
    let pidfile = subject.pidfile();
    let parts = ["subject: ", "unknown: ", pidfile.to_str().unwrap()];
    subject.act("status").fails_naming(4, &parts);
    for action in ["stop", "reload", "restart"] {
        subject.act(action).fails_naming(1, &parts);
    }
    subject.act("start").fails_naming(1, &["subject: "]);
    assert_eq!(subject.processes(), [], "there is a second daemon");
    assert_eq!(subject.act("status").status.code(), Some(4), "the lock isn't kept");
}

/// A daemon that is in the way of another, after a step about the pidfile of that one.
fn usurper(subject: &Subject, step: &str) -> (Subject, Process) {
    let usurper = Subject::new().body(format!("{step} {}; park", subject.pidfile().display()));
    let process = usurper.start();
    (usurper, process)
}

/// Gives the rest of a line of the log.
fn word(subject: &Subject, beginning: &str) -> Option<String> {
    let text = subject.log_text();
    let (_, rest) = text.split_once(&format!("{beginning} "))?;
    Some(rest.split_once('\n')?.0.to_owned())
}

#[test]
fn a_lock_that_a_dead_process_has_left_to_another_names_nobody() {
    let subject = Subject::new();
    let (usurper, keeper) = usurper(&subject, "bequeath");
    let dead = wait_for("the lock", || word(&usurper, "bequeathed"));
    assert!(!Process(dead.parse().unwrap()).is_alive());
    is_unknown(&subject);
    assert!(keeper.is_alive(), "the keeper is signalled");
}

#[test]
fn who_gets_the_number_of_a_dead_process_that_left_its_lock_is_never_signalled() {
    if !is_root() {
        return;
    }
    let subject = Subject::new();
    let (usurper, keeper) = usurper(&subject, "reincarnate");
    let said = wait_for("a namesake", || word(&usurper, "reincarnated").or(word(&usurper, "refused")));
    let namesake = said.parse().map(Process);
    if !can_have("clone3 with set_tid", namesake.is_ok()) {
        return;
    }
    let namesake = namesake.unwrap();
    is_unknown(&subject);
    assert!(namesake.is_alive(), "an innocent process is signalled");
    assert!(keeper.is_alive(), "the keeper is signalled");
}

#[test]
fn a_body_that_reads_its_own_pidfile_before_it_is_ready_is_told_truly() {
    for end in ["ready; event", "sleep 100; ready; event", "fail it is late", "abort"] {
        for without_pidfd in [false, true] {
            if without_pidfd && !has_strace() {
                continue;
            }
            let subject = Subject::new().key("wait_ready", PATIENT).key("stop_timeout", PATIENT);
            let body = format!("read {}; {end}", subject.pidfile().display());
            let subject = subject.graceful(body);
            let answer = if without_pidfd {
                start_without(&subject, "pidfd_open:error=ENOSYS")
            } else {
                subject.act("start")
            };
            is_true(&answer, &subject, end);
            assert_eq!(answer.status.success(), end.ends_with("event"), "{end}: {answer:?}");
        }
    }
}

/// Starts daemons that get ready, soon or not, with a launcher that is let down by a system call.
fn is_true_without(faults: &[&str]) {
    if !has_strace() {
        return;
    }
    for fault in faults {
        for (body, patience) in
            [("ready; event", PATIENT), ("sleep 50; ready; event", PATIENT), ("park", "100")]
        {
            let subject =
                Subject::new().key("stop_timeout", "100").key("wait_ready", patience).graceful(body);
            let answer = start_without(&subject, fault);
            is_true(&answer, &subject, &format!("{fault}, {body}"));
        }
    }
}

#[test]
fn a_launcher_that_cannot_pin_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&["pidfd_open:error=EMFILE", "pidfd_open:error=ENFILE", "pidfd_open:error=ENOMEM"]);
}

#[test]
fn a_launcher_that_cannot_wait_for_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&["poll:error=ENOMEM", "poll:error=ENOMEM:when=2+"]);
}

#[test]
fn a_launcher_that_cannot_hear_its_daemon_leaves_none_that_it_denies() {
    is_true_without(&["recvfrom:error=EIO", "recvfrom:error=EIO:when=2+", "recvfrom:error=ENOMEM:when=1"]);
}

/// Fails if one of the files isn't as the body has written it.
#[track_caller]
fn are_intact(subject: &Subject, what: &str) {
    let files: Vec<_> = fs::read_dir(subject.path("files")).unwrap().flatten().collect();
    assert_eq!(files.len(), 8, "{what}");
    for file in files {
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            "precious\n",
            "{what}: {}",
            file.path().display()
        );
    }
}

/// A daemon whose body has put files of its own in the place of everything that was open.
fn seizing(script: &str) -> Subject {
    let subject = Subject::new().key("stop_timeout", "5000");
    let files = subject.path("files");
    fs::create_dir(&files).unwrap();
    subject.body(format!("seize {}; print seized; {script}", files.display()))
}

#[test]
fn files_under_the_numbers_of_closed_descriptors_are_intact_after_a_stop() {
    for (context, script) in [
        (false, "park"),
        (true, "event; event"),
        (true, "wait"),
        (true, "event; event; fail it"),
        (true, "event; event; exit 3"),
    ] {
        let subject = seizing(script);
        let subject = if context { subject.key("context", "") } else { subject };
        let daemon = subject.start();
        subject.log_with("seized");
        if script.starts_with("event") {
            daemon.signal(Signal::SIGHUP);
            subject.log_with("Reload");
        }
        // Its lock is gone with its descriptor, so `stop` can't know of it.
        daemon.signal(Signal::SIGTERM);
        daemon.wait_until_gone();
        are_intact(&subject, script);
    }
}

#[test]
fn files_under_the_numbers_of_closed_descriptors_are_intact_after_a_failed_start() {
    for script in ["fail it", "exit 3", "panic it", "event", "park"] {
        let subject = seizing(script).key("context", "").key("wait_ready", "1000");
        assert_eq!(subject.act("start").status.code(), Some(1), "{script}");
        wait_until("the end of all processes", || subject.processes().is_empty());
        are_intact(&subject, script);
    }
}

#[test]
fn a_body_that_has_closed_everything_writes_nothing_when_it_says_that_it_is_ready() {
    let subject = seizing("ready; print said; event").key("context", "").key("wait_ready", PATIENT);
    let answer = subject.act("start");
    if answer.status.success() {
        answer.started().signal(Signal::SIGTERM);
    }
    wait_until("the end of all processes", || subject.processes().is_empty());
    are_intact(&subject, "ready");
}

#[test]
fn without_pidfd_a_stop_waits_for_a_body_that_has_read_its_own_pidfile() {
    if !has_strace() {
        return;
    }
    let subject = Subject::new().key("stop_timeout", PATIENT);
    let body = format!("event; read {}; print read; sleep 300; print ended", subject.pidfile().display());
    let subject = subject.graceful(body);
    let daemon = subject.start();
    let stop = subject.traced(&["-e", "inject=pidfd_open:error=ENOSYS"], "stop");
    Answer::of(stop).says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(!daemon.is_alive(), "stop has returned before the end of the process");
    assert!(fs::read_to_string(subject.path("trace")).unwrap().contains("(INJECTED)"));
    assert_eq!(subject.log_text(), "Stop\nread\nended\n");
}

/// Ends with 101, and only its launcher comes back from the dispatcher.
#[track_caller]
fn ends_in_the_dispatcher(subject: Subject) {
    let after = subject.path("after");
    let subject = subject.key("after", &after);
    let start = subject.action("start").spawn().unwrap();
    let launcher = start.id();
    let daemon = Answer::from(start).started();
    assert_eq!(daemon.exit_code(), 101, "{}", subject.log_text());
    assert_eq!(fs::read_to_string(after).unwrap(), format!("{launcher}\n"), "who has come back");
    subject.left_nothing();
}

#[test]
fn an_error_that_panics_when_it_is_said_ends_the_daemon_and_no_more() {
    ends_in_the_dispatcher(Subject::new().body("fail unspeakable"));
    ends_in_the_dispatcher(Subject::new().graceful("fail unspeakable"));
    ends_in_the_dispatcher(Subject::new().every(1, "fail unspeakable"));
}

#[test]
fn a_captured_value_that_panics_when_it_is_dropped_ends_the_daemon_and_no_more() {
    ends_in_the_dispatcher(Subject::new().every(1, "print run").key("times", "2").key("bomb", ""));
}

#[test]
fn a_start_without_its_directory_in_a_chroot_leaves_no_pidfile() {
    if !is_root() {
        return;
    }
    let subject = Subject::new().key("working_directory", "/missing");
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root);
    subject.act("start").fails_naming(1, &["subject: failed to start: ", "/missing"]);
    subject.left_nothing();
    subject.act("status").says(3, "subject: not running");
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

#[test]
fn capabilities_that_the_program_would_keep_are_gone_with_the_user() {
    if !is_root() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").key("keepcaps", "");
    let daemon = subject.start();
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(daemon.status(set), "0000000000000000", "{set}");
    }
}

#[test]
fn what_a_caller_of_many_groups_ignores_is_not_ignored() {
    if !is_root() || !has_tool(&["setpriv", "--groups", "1", "true"]) {
        return;
    }
    for count in [301, 1000, 4000] {
        let groups: Vec<_> = (0..count).map(|number| (4_000_000_000_u32 + number).to_string()).collect();
        let wrapper = ["setpriv", "--groups", &groups.join(","), "env", "--ignore-signal=USR1"];
        let subject = Subject::new();
        let daemon = Answer::of(subject.wrapped(&wrapper, "start")).started();
        assert_eq!(daemon.status("Groups").split_whitespace().count(), usize::try_from(count).unwrap());
        assert_eq!(daemon.signals("SigIgn"), [Signal::SIGPIPE], "{count} groups");
    }
}

#[test]
fn a_caller_without_standard_streams_has_a_daemon_all_the_same() {
    for closed in ["0", "1", "2", "0,1,2"] {
        let subject = Subject::new().key("close", closed);
        let start = subject.act("start");
        assert_eq!(start.status.code(), Some(0), "without {closed}: {start:?}");
        let subject = subject.without("close");
        let daemon = subject.processes()[0];
        subject.act("status").runs(daemon);
        subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn a_pidfile_is_not_the_standard_stream_that_was_closed() {
    for closed in ["0", "1", "2", "0,1,2"] {
        let subject = Subject::new().key("close", closed).body("print lost; warn lost too; park");
        let run = subject.run();
        assert_eq!(subject.pid_text(), format!("{}\n", run.process));
        let without = subject.without("close");
        without.act("status").runs(run.process);
        without.act("stop").says(0, &format!("subject: stopped (pid {})", run.process));
        run.answer();
    }
}

#[test]
fn an_owner_whose_descriptor_was_closed_doesnt_close_the_daemons() {
    let subject = Subject::new().key("duplicate", "").body("forget; print forgotten; park");
    let daemon = subject.start();
    subject.log_with("forgotten");
    subject.act("status").runs(daemon);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
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
fn a_reload_at_the_end_of_run_kills_nobody() {
    if !has_strace() {
        return;
    }
    let subject = Subject::new().body("nothing");
    let (strace, process) = subject.held(&[], "unlink", "run");
    process.signal(Signal::SIGHUP);
    process.signal(Signal::SIGCONT);
    let answer = Answer::from(strace);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
}

#[test]
fn who_cant_see_a_daemon_in_proc_knows_it_all_the_same() {
    if !is_root() || !has_tool(&["unshare", "-m", "mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"])
    {
        return;
    }
    let hidden = "mount -t proc -o hidepid=2 proc /proc; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", hidden];
    let subject = Subject::new().open_to_all();
    let daemon = subject.start();
    let by_nobody = |subject: &Subject, action| Answer::of(subject.wrapped(&wrapper, action));
    by_nobody(&subject, "status").says(0, &format!("subject: running (pid {daemon})"));
    by_nobody(&subject, "start").fails(1, &format!("subject: already running (pid {daemon})"));
    by_nobody(&subject, "stop").fails_naming(4, &["permission denied"]);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    // What root has started as nobody is nobody's, but not for everybody to see.
    let subject = subject.key("user", "nobody");
    let daemon = subject.start();
    by_nobody(&subject, "status").says(0, &format!("subject: running (pid {daemon})"));
    by_nobody(&subject, "stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_child_with_the_daemons_number_is_not_the_daemon() {
    if !is_root() || !has_tool(&["unshare", "-p", "-f", "true"]) {
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
fn process_1_of_a_container_is_told_to_run_instead() {
    if !is_root() || !has_tool(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let subject = Subject::new();
    for action in ["start", "restart"] {
        Answer::of(subject.wrapped(&["unshare", "-p", "-f"], action))
            .fails_naming(1, &["subject: failed to start: this is process 1", "`run`"]);
        subject.left_nothing();
    }
}

#[test]
fn a_reload_of_a_log_that_nobody_reads_makes_nobody_deaf() {
    let subject = Subject::new();
    let [fifo, root, note] = ["fifo", "root", "note"].map(|name| subject.path(name));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(&root).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let subject = subject.key("stdout", &fifo).key("open", &note);
    // Outside of the chroot the log can't be reopened, which is to be said in it.
    let subject = if is_root() { subject.key("chroot", root) } else { return };
    let subject = subject.key("stop_timeout", "3000").graceful("flood; note full; await");
    let daemon = subject.start();
    wait_until("a full log", || fs::read_to_string(&note).is_ok_and(|note| note == "full\n"));
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn what_a_daemon_writes_into_its_pidfile_makes_it_no_less_its() {
    let subject = Subject::new().graceful("wait");
    let daemon = subject.start();
    fs::write(subject.pidfile(), [b'x'; 1000]).unwrap();
    subject.act("status").runs(daemon);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    let restart = subject.act("restart");
    let second = restart.pid();
    restart.says(0, &format!("subject: restarted (pid {second})"));
    fs::write(subject.pidfile(), [b'x'; 1000]).unwrap();
    second.signal(Signal::SIGKILL);
    second.wait_until_gone();
    subject.act("status").fails_naming(4, &["is not a pidfile: it has 1000 bytes"]);
    fs::write(subject.pidfile(), "").unwrap();
}

#[test]
fn who_gets_the_orphans_gets_no_zombie_of_a_failed_start() {
    for (key, value) in [("working_directory", "/nowhere/at/all"), ("wait_ready", "50")] {
        let subject = Subject::new().key("subreaper", "").key(key, value).graceful("park");
        let mut caller = subject.converse();
        assert!(caller.say("start").starts_with("subject: failed to start: "));
        assert_eq!(caller.process.children(), "", "with {key}");
    }
}

#[test]
fn a_directory_is_no_standard_input() {
    let subject = Subject::new().key("stdin", "/");
    subject
        .act("start")
        .fails(1, "subject: failed to start: cannot open stdin /: Is a directory (os error 21)");
    subject.left_nothing();
}

#[test]
fn the_age_of_another_namespaces_process_is_not_told() {
    if !is_root() || !has_tool(&["unshare", "-p", "-f", "true"]) {
        return;
    }
    let subject = Subject::new();
    // There is still the /proc of outside, with other processes under the same numbers.
    let inside = "\"$0\" start && \"$0\" status && \"$0\" stop; exit $?";
    let answer = Answer::of(subject.wrapped(&["unshare", "-p", "-f", "sh", "-c", inside], "all"));
    let daemon = answer.pid();
    answer.says(
        0,
        &format!(
            "subject: started (pid {daemon})\nsubject: running (pid {daemon})\nsubject: stopped (pid {daemon})"
        ),
    );
}
