//! What a daemon has kept of its caller, as `/proc` shows it.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Answer, Process, Subject, lines, root_or_skip, tool_or_skip, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn it_is_in_a_session_that_it_does_not_lead() {
    let subject = Subject::new();
    let daemon = subject.start();
    let own = Process(std::process::id().try_into().unwrap());
    let session = daemon.session().unwrap();
    assert_ne!(session, daemon);
    assert!(!session.is_alive());
    assert_ne!(Some(session), own.session());
    assert_ne!(daemon.stat(5), own.stat(5), "the process group");
    assert_eq!(daemon.parent(), Some(own), "the test, which adopts orphans");
}

#[test]
fn it_has_no_terminal_and_outlives_its_callers() {
    if !tool_or_skip(&["script", "-qec", "true", "/dev/null"]) {
        return;
    }
    let subject = Subject::new();
    let program = common::program("subject").display();
    let command = format!("tty && {program} start && cut -d ' ' -f 7 /proc/$$/stat");
    let mut terminal = subject.command("script");
    terminal.args(["-qec", &command, "/dev/null"]);
    let answer = Answer::of(terminal);
    let daemon = answer.pid();
    assert!(answer.stdout.contains("/dev/pts/"), "{answer:?}");
    assert_ne!(answer.stdout.lines().last(), Some("0"), "the caller had none: {answer:?}");
    assert_eq!(daemon.stat(7), Some(0));
    subject.act("status").runs(daemon);
}

#[test]
fn no_signal_is_blocked_and_none_but_sigpipe_ignored() {
    let subject = Subject::new();
    let wrapper =
        ["env", "--ignore-signal=HUP,INT,USR1,TERM,CHLD,QUIT", "--block-signal=USR2,TERM,CHLD,ALRM"];
    let daemon = Answer::of(subject.wrapped(&wrapper, "start")).started();
    wait_until("an empty mask", || daemon.signals("SigBlk").is_empty());
    assert_eq!(daemon.status("SigBlk"), "0000000000000000");
    assert_eq!(daemon.signals("SigIgn"), [Signal::SIGPIPE]);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(daemon.killer(), Signal::SIGTERM);
}

#[test]
fn its_umask_is_022_whatever_the_callers() {
    for mask in ["000", "077"] {
        let subject = Subject::new();
        let daemon = Answer::of(subject.after(&format!("umask {mask}"), "start")).started();
        assert_eq!(daemon.status("Umask"), "0022");
        assert_eq!(mode(&subject.log()), 0o644);
        assert_eq!(mode(&subject.pidfile()), 0o644);
    }
}

#[test]
fn the_umask_can_be_chosen_and_the_pidfile_stays_readable() {
    let subject = Subject::new().key("umask", "077");
    let daemon = subject.start();
    assert_eq!(daemon.status("Umask"), "0077");
    assert_eq!(mode(&subject.log()), 0o600);
    assert_eq!(mode(&subject.pidfile()), 0o644);
}

#[test]
fn a_stale_pidfile_gets_its_permissions_back() {
    let subject = Subject::new();
    fs::write(subject.pidfile(), "7\n").unwrap();
    fs::set_permissions(subject.pidfile(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    subject.start();
    assert_eq!(mode(&subject.pidfile()), 0o644);
}

#[test]
fn its_directory_is_the_root_or_the_one_chosen() {
    assert_eq!(Subject::new().start().link("cwd"), Path::new("/"));
    let subject = Subject::new();
    let folder = subject.path(".").canonicalize().unwrap();
    let subject = subject.key("working_directory", &folder);
    assert_eq!(subject.start().link("cwd"), folder);
}

#[test]
fn its_descriptors_are_the_streams_and_the_pidfile() {
    let subject = Subject::new();
    let daemon = subject.start();
    let expected = [(0, "/dev/null".into()), (1, subject.log()), (2, subject.log())];
    wait_until("the end of the setup", || daemon.descriptors().len() == 4);
    let descriptors = daemon.descriptors();
    assert_eq!(descriptors[..3], expected);
    assert_eq!(descriptors[3].1, subject.pidfile());
}

#[test]
fn a_context_costs_two_descriptors_more() {
    let subject = Subject::new().graceful("wait");
    let daemon = subject.start();
    wait_until("the end of the setup", || daemon.descriptors().len() <= 6);
}

#[test]
fn a_body_that_takes_reloads_costs_one_more() {
    let subject = Subject::new().graceful("serve");
    let daemon = subject.start();
    wait_until("the socket", || daemon.descriptors().len() == 7);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    assert_eq!(daemon.descriptors().len(), 7);
}

#[test]
fn it_has_one_thread() {
    for subject in [Subject::new(), Subject::new().graceful("wait"), Subject::new().graceful("serve")] {
        assert_eq!(subject.start().status("Threads"), "1");
    }
}

#[test]
fn without_logs_its_streams_are_dev_null() {
    let subject = Subject::new().without("stdout");
    let daemon = subject.start();
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(daemon.link(stream), Path::new("/dev/null"));
    }
}

#[test]
fn a_log_of_its_own_for_stderr_alone() {
    let subject = Subject::new().without("stdout");
    let errors = subject.path("errors");
    let daemon = subject.key("stderr", &errors);
    let daemon = daemon.start();
    assert_eq!(daemon.link("fd/1"), Path::new("/dev/null"));
    assert_eq!(daemon.link("fd/2"), errors);
}

#[test]
fn what_the_caller_has_left_open_is_closed() {
    let subject = Subject::new();
    let daemon = Answer::of(subject.after("exec 9</etc/passwd 7</etc/group", "start")).started();
    assert!(!daemon.has_open(Path::new("/etc/passwd")) && !daemon.has_open(Path::new("/etc/group")));
}

#[test]
fn what_the_caller_has_left_open_can_be_kept() {
    let subject = Subject::new().key("close_fds", "false");
    let daemon = Answer::of(subject.after("exec 9</etc/passwd", "start")).started();
    assert!(daemon.descriptors().contains(&(9, PathBuf::from("/etc/passwd"))));
}

#[test]
fn a_file_that_was_opened_before_can_be_used_in_the_body() {
    let subject = Subject::new();
    let notes = subject.path("notes");
    let subject = subject.key("open", &notes).body("note hello; print noted; park");
    let daemon = subject.start();
    subject.log_with("noted");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "hello\n");
    assert!(daemon.has_open(&notes));
}

#[test]
fn streams_that_the_caller_has_closed_do_no_harm() {
    let subject = Subject::new().body("print out; park");
    let answer = Answer::of(subject.after("exec 0<&- 1>&- 2>&-", "start"));
    assert_eq!(answer.status.code(), Some(0));
    assert_eq!(subject.log_with("out"), "out\n");
    let daemon = subject.processes()[0];
    assert_eq!(daemon.link("fd/0"), Path::new("/dev/null"));
    assert_eq!(daemon.link("fd/2"), subject.log());
}

#[test]
fn its_log_is_written_at_the_end_and_survives_a_truncation() {
    let subject = Subject::new().graceful("print before; event; print after; wait");
    let daemon = subject.start();
    subject.log_with("before");
    fs::write(subject.log(), "").unwrap();
    daemon.signal(Signal::SIGHUP);
    assert_eq!(subject.log_with("after"), "Reload\nafter\n");
}

#[test]
fn its_command_line_is_the_callers() {
    let daemon = Subject::new();
    assert_eq!(daemon.start().command_line()[1], "start");
}

#[test]
fn a_caller_that_ignores_its_children_can_start() {
    let subject = Subject::new();
    Answer::of(subject.wrapped(&["env", "--ignore-signal=CHLD"], "start")).started();
}

#[test]
fn a_fifo_with_a_reader_can_be_its_log() {
    let subject = Subject::new();
    let fifo = subject.path("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let mut reader = subject.command("cat");
    reader.arg(&fifo);
    let mut reader = reader.spawn().unwrap();
    let read = lines(reader.stdout.take().unwrap());
    let subject = subject.key("stdout", &fifo).body("print hello; park");
    // The reader may not have opened the fifo yet.
    wait_until("a start", || subject.act("start").status.success());
    assert_eq!(read.recv_timeout(Duration::from_secs(10)).as_deref(), Ok("hello"));
    subject.act("stop");
    assert!(Answer::from(reader).status.success());
}

#[test]
fn a_fifo_without_a_writer_can_be_its_input() {
    let subject = Subject::new();
    let fifo = subject.path("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let subject = subject.key("stdin", &fifo);
    assert_eq!(subject.start().link("fd/0"), fifo);
}

#[test]
fn a_socket_that_the_caller_has_bound_works_in_the_daemon() {
    let subject = Subject::new();
    let mut start = subject.command(common::program("listener"));
    start.arg("start");
    let answer = Answer::of(start);
    let address = answer.stdout.lines().next().unwrap_or_else(|| panic!("no address in {answer:?}"));
    for _ in 0..2 {
        let mut text = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello from the daemon");
    }
    assert_eq!(answer.pid().link("exe"), std::path::Path::new(common::program("listener")));
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", answer.pid()));
}

#[test]
fn what_a_caller_of_many_groups_ignores_is_not_ignored() {
    if !root_or_skip() || !tool_or_skip(&["setpriv", "--groups", "1", "true"]) {
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
fn an_owner_whose_descriptor_was_closed_doesnt_close_the_daemons() {
    let subject = Subject::new().key("duplicate", "").body("forget; print forgotten; park");
    let daemon = subject.start();
    subject.log_with("forgotten");
    subject.act("status").runs(daemon);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}
