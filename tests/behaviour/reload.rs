//! `reload`: the daemon reopens its logs, and nothing else happens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::notice::unstamped;
use common::{Answer, Process, Subject, root_or_skip, strace_or_skip, wait_until};
use nix::sys::signal::Signal;

#[test]
fn reload_tells_whom_it_has_told() {
    let subject = Subject::new();
    let daemon = subject.start();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("status").runs(daemon);
}

#[test]
fn reload_never_ends_a_program_with_threads_that_is_being_set_up() {
    if !strace_or_skip() {
        return;
    }
    let subject = Subject::new().graceful("print up; wait").key("thread", "park");
    // It holds its pidfile, and has no handlers yet. Another thread does not block signals.
    let (run, daemon) = subject.held(&[], "pipe2", "run");
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    assert!(!daemon.signals("SigCgt").contains(&Signal::SIGHUP));
    let reload = subject.action("reload").spawn().unwrap();
    let caller = Process(reload.id().try_into().unwrap());
    wait_until("the caller to find the daemon", || {
        caller.descriptors().iter().any(|(_, path)| path.ends_with("anon_inode:[pidfd]"))
    });
    daemon.signal(Signal::SIGCONT);
    Answer::from(reload).says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(Answer::from(run).stdout.starts_with("up\n"));
    subject.left_nothing();
}

#[test]
fn reload_of_a_stopped_daemon_fails() {
    let subject = Subject::new();
    subject.act("reload").fails(1, "subject: not running");
    let daemon = subject.start();
    daemon.signal(Signal::SIGKILL);
    daemon.wait_until_gone();
    subject.act("reload").fails(1, "subject: not running");
    assert!(subject.pidfile().exists(), "reload changes nothing");
}

#[test]
fn after_a_reload_the_next_line_is_in_the_new_log_and_none_is_lost() {
    let subject = Subject::new().body("count");
    subject.start();
    subject.log_with("5");
    let mut logs = Vec::new();
    for round in 0..5 {
        let old = subject.path(&format!("old.{round}"));
        fs::rename(subject.log(), &old).unwrap();
        assert!(subject.act("reload").status.success());
        wait_until("lines in the new log", || subject.log_text().lines().count() > 5);
        logs.push(old);
    }
    subject.act("stop");
    logs.push(subject.log());
    let text: String = logs.iter().map(|log| read(log)).collect();
    for (expected, line) in text.lines().enumerate() {
        assert_eq!(line, expected.to_string());
    }
}

#[test]
fn both_logs_are_reopened() {
    for together in [true, false] {
        let subject = Subject::new().graceful("event; print out; warn err; wait");
        let errors = if together { subject.log() } else { subject.path("subject.err") };
        let subject = if together { subject } else { subject.key("stderr", &errors) };
        let daemon = subject.start();
        for log in [&subject.log(), &errors] {
            let _ = fs::rename(log, log.with_extension("old"));
        }
        subject.act("reload");
        wait_until("a line", || read(&errors).contains("err\n"));
        let both = if together { "Reload\nout\nerr\n" } else { "Reload\nout\n" };
        assert_eq!(subject.log_text(), both);
        assert_eq!(daemon.link("fd/1"), subject.log());
        assert_eq!(daemon.link("fd/2"), errors);
        assert_eq!(read(&subject.log().with_extension("old")), "");
    }
}

fn read(path: &Path) -> String {
    unstamped(&fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn a_log_whose_folder_is_gone_goes_on_in_the_old_file_and_says_so() {
    let subject = Subject::new().graceful("event; print after; wait");
    let (folder, gone) = (subject.path("logs"), subject.path("gone"));
    fs::create_dir(&folder).unwrap();
    let log = folder.join("x.log");
    let subject = subject.key("stdout", &log);
    let daemon = subject.start();
    fs::rename(&folder, &gone).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    wait_until("a line", || read(&gone.join("x.log")).contains("after\n"));
    assert_eq!(
        read(&gone.join("x.log")),
        format!("subject: cannot reopen {}: No such file or directory\nReload\nafter\n", log.display())
    );
    fs::create_dir(&folder).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the new log", || daemon.link("fd/1") == log && daemon.link("fd/2") == log);
}

#[test]
fn a_log_that_has_become_the_pidfile_is_not_opened() {
    let subject = Subject::new().graceful("event; wait");
    let daemon = subject.start();
    fs::remove_file(subject.log()).unwrap();
    std::os::unix::fs::symlink(subject.pidfile(), subject.log()).unwrap();
    subject.act("reload");
    wait_until("a complaint", || daemon.link("fd/1").to_string_lossy().ends_with("(deleted)"));
    subject.act("status").runs(daemon);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
}

#[test]
fn a_storm_of_reloads_leaks_no_descriptor() {
    let subject = Subject::new().body("count");
    let daemon = subject.start();
    subject.log_with("5");
    let before = daemon.descriptors();
    for _ in 0..1000 {
        daemon.signal(Signal::SIGHUP);
    }
    wait_until("the end of the storm", || !daemon.signals("ShdPnd").contains(&Signal::SIGHUP));
    wait_until("the same descriptors", || daemon.descriptors() == before);
    subject.act("status").runs(daemon);
}

#[test]
fn sighup_never_kills() {
    let plain = Subject::new().body("print up; park");
    let graceful = Subject::new().graceful("print up; wait");
    let repeating = Subject::new().every(3_600_000, "print up");
    for subject in [plain, graceful, repeating] {
        let daemon = subject.start();
        subject.log_with("up");
        fs::rename(subject.log(), subject.path("old")).unwrap();
        daemon.signal(Signal::SIGHUP);
        wait_until("the new log", || subject.log().exists());
        subject.act("status").runs(daemon);
    }
}

#[test]
fn sighup_never_kills_in_the_foreground() {
    let plain = Subject::new();
    let graceful = Subject::new().graceful("serve");
    let repeating = Subject::new().every(3_600_000, "");
    for subject in [plain, graceful, repeating] {
        let run = subject.run();
        subject.await_body();
        for _ in 0..3 {
            run.process.signal(Signal::SIGHUP);
        }
        subject.act("reload").says(0, &format!("subject: reloaded (pid {})", run.process));
        subject.act("status").runs(run.process);
    }
}

#[test]
fn a_body_with_a_context_hears_of_each_reload() {
    let subject = Subject::new().graceful("event; event; event; wait");
    subject.start();
    for count in 1..=3 {
        subject.act("reload");
        wait_until("the news", || subject.log_text() == "Reload\n".repeat(count));
    }
    subject.act("stop");
    assert_eq!(subject.log_text(), "Reload\nReload\nReload\nstopping true\n");
}

#[test]
fn a_reload_right_after_the_start_is_heard() {
    for _ in 0..20 {
        let subject = Subject::new().graceful("event; wait");
        subject.start();
        subject.act("reload");
        subject.log_with("Reload");
    }
}

#[test]
fn a_log_that_has_become_a_fifo_without_a_reader_hangs_nobody() {
    let subject = Subject::new().graceful("event; print after; wait");
    let daemon = subject.start();
    let old = subject.path("old");
    fs::rename(subject.log(), &old).unwrap();
    nix::unistd::mkfifo(&subject.log(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    subject.act("reload");
    wait_until("a line", || read(&old).contains("after\n"));
    assert!(read(&old).starts_with(&format!("subject: cannot reopen {}: ", subject.log().display())));
    subject.act("status").runs(daemon);
}

#[test]
fn a_reloaded_log_has_the_daemons_permissions() {
    use std::os::unix::fs::MetadataExt;
    let subject = Subject::new().key("umask", "027");
    subject.start();
    fs::remove_file(subject.log()).unwrap();
    subject.act("reload");
    wait_until("the new log", || subject.log().exists());
    assert_eq!(fs::metadata(subject.log()).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn a_reload_at_the_end_of_run_kills_nobody() {
    if !strace_or_skip() {
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
fn a_reload_of_a_log_that_nobody_reads_makes_nobody_deaf() {
    let subject = Subject::new();
    let [fifo, root, note] = ["fifo", "root", "note"].map(|name| subject.path(name));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(&root).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let subject = subject.key("stdout", &fifo).key("open", &note);
    // The log is outside the chroot, so it cannot be reopened. The daemon reports that in it.
    let subject = if root_or_skip() { subject.key("chroot", root) } else { return };
    let subject = subject.key("stop_timeout", "3000").graceful("flood; note full; await");
    let daemon = subject.start();
    wait_until("a full log", || fs::read_to_string(&note).is_ok_and(|note| note == "full\n"));
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_log_that_is_still_in_place_is_not_reopened() {
    if !root_or_skip() {
        return;
    }
    // The user could not open it again.
    let subject = Subject::new().open_to_all().key("user", "nobody").graceful("print up; event; event; wait");
    let daemon = subject.start();
    subject.log_with("up");
    fs::set_permissions(subject.log(), fs::Permissions::from_mode(0o600)).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.log_with("Reload");
    assert_eq!(subject.log_text(), "up\nReload\n");
    // Once it is rotated, the user is told.
    fs::rename(subject.log(), subject.path("old")).unwrap();
    fs::write(subject.log(), "").unwrap();
    fs::set_permissions(subject.log(), fs::Permissions::from_mode(0o600)).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    wait_until("the complaint", || {
        fs::read_to_string(subject.path("old")).unwrap().contains("cannot reopen")
    });
}

#[test]
fn a_daemon_that_ignores_hangups_cannot_be_reloaded() {
    let subject = Subject::new().graceful("print up; wait");
    let run = subject.run_by(subject.wrapped(&["env", "--ignore-signal=HUP"], "run"));
    wait_until("a daemon that is ready", || subject.act("status").stdout.contains("running"));
    let pid = run.process;
    subject.act("reload").fails_naming(1, &["subject: failed to reload: ", &format!("pid {pid}"), "SIGHUP"]);
    subject.act("stop").says(0, &format!("subject: stopped (pid {pid})"));
}
