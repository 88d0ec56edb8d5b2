//! Full and read-only disks, files that must not grow, and systems without their usual directories.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::notice::unstamped;
use common::{
    Answer, Process, Subject, available_or_skip, root_or_skip, strace_or_skip, tool_or_skip, wait_until,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

const NO_SPACE: &str = "No space left on device (os error 28)";
const READ_ONLY: &str = "Read-only file system (os error 30)";
const TOO_LARGE: &str = "File too large (os error 27)";

/// A small file system that only this test and its daemons see. It disappears with the last of
/// them.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts it in the directory of a daemon, or skips the test.
    fn mount_or_skip(subject: &Subject) -> Option<Self> {
        if !root_or_skip() {
            return None;
        }
        let path = subject.path("disk");
        fs::create_dir(&path).unwrap();
        // The namespace of this thread and of the processes that it starts. Other tests have other
        // threads.
        let mounted = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
            mount(Some("disk"), &path, Some("tmpfs"), MsFlags::empty(), Some("size=64k,nr_inodes=16"))
        });
        available_or_skip("a mount namespace and a tmpfs", mounted.is_ok()).then_some(Self { path })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.file("filler")).unwrap();
        while file.write(&[b'x'; 4096]).is_ok() {}
    }

    /// Uses all of its inodes.
    fn fill_with_files(&self) {
        for number in 0..100 {
            if File::create(self.file(&format!("file.{number}"))).is_err() {
                return;
            }
        }
        panic!("there is no end of files");
    }

    fn clear(&self) {
        let names = fs::read_dir(&self.path).unwrap().flatten().map(|entry| entry.path());
        let is_filler = |path: &PathBuf| path.to_string_lossy().contains("/fil");
        names.filter(is_filler).for_each(|path| fs::remove_file(path).unwrap());
    }

    /// Makes every path on it read-only. Open files stay writable.
    fn protect(&self) {
        let path = Some(&self.path);
        mount(path, &self.path, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &self.path, None::<&str>, read_only, None::<&str>).unwrap();
    }

    fn unprotect(&self) {
        umount2(&self.path, MntFlags::MNT_DETACH).unwrap();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stopped(daemon: Process) -> String {
    format!("subject: stopped (pid {daemon})")
}

/// Fails unless `start` and `run` fail with this reason and leave nothing.
#[track_caller]
fn start_fails(subject: &Subject, pidfile: &Path, parts: &[&str]) {
    for action in ["start", "restart", "run"] {
        subject.act(action).fails_naming(1, &[&["subject: failed to start: "], parts].concat());
        assert_eq!(subject.processes(), []);
        assert!(!pidfile.exists(), "{action} has left the pidfile");
        subject.act("status").says(3, "subject: not running");
    }
}

#[test]
fn a_full_disk_under_the_pidfile_is_named_and_nothing_is_left() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = disk.file("x.pid");
    let subject = subject.key("pidfile", &pidfile);
    disk.fill();
    start_fails(&subject, &pidfile, &["cannot write pidfile ", text(&pidfile), NO_SPACE]);
    disk.clear();
    disk.fill_with_files();
    start_fails(&subject, &pidfile, &["cannot open pidfile ", text(&pidfile), NO_SPACE]);
    disk.clear();
    let daemon = subject.start();
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{daemon}\n"));
}

#[test]
fn a_disk_that_is_full_by_now_is_in_no_stops_way() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = disk.file("x.pid");
    let subject = subject.key("pidfile", &pidfile).graceful("wait");
    let daemon = subject.start();
    disk.fill();
    disk.fill_with_files();
    subject.act("status").runs(daemon);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    subject.act("stop").says(0, &stopped(daemon));
    assert!(!pidfile.exists());
}

#[test]
fn a_full_disk_lets_a_stale_pidfile_be_taken_over_or_removed() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = disk.file("x.pid");
    let subject = subject.key("pidfile", &pidfile);
    for action in ["start", "stop"] {
        fs::write(&pidfile, "7\n").unwrap();
        disk.fill();
        disk.fill_with_files();
        match action {
            // Its one page may be enough for the new text. If not, there is no daemon and no file.
            "start" => {
                let answer = subject.act("start");
                if answer.status.success() {
                    let daemon = answer.started();
                    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{daemon}\n"));
                    subject.act("stop").says(0, &stopped(daemon));
                } else {
                    answer.fails_naming(1, &["cannot write pidfile ", NO_SPACE]);
                }
            }
            _ => subject.act("stop").says(0, "subject: not running"),
        }
        assert_eq!(subject.processes(), []);
        assert!(!pidfile.exists());
        disk.clear();
    }
}

#[test]
fn a_log_that_a_full_disk_has_no_room_for_is_named() {
    for key in ["stdout", "stderr"] {
        let subject = Subject::new();
        let Some(disk) = Disk::mount_or_skip(&subject) else { return };
        let log = disk.file("x.log");
        let subject = subject.key(key, &log);
        disk.fill_with_files();
        for action in ["start", "restart"] {
            subject.act(action).fails_naming(1, &["cannot open ", key, text(&log), NO_SPACE]);
            subject.left_nothing();
        }
    }
}

#[test]
fn a_log_on_a_full_disk_is_opened_and_the_daemon_lives() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let log = disk.file("x.log");
    let subject = subject.key("stdout", &log);
    disk.fill();
    let daemon = subject.start();
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &stopped(daemon));
    subject.left_nothing();
}

#[test]
fn a_body_that_prints_on_a_full_disk_panics_as_in_any_program() {
    for body in ["print hello; park", "warn hello; park", "fail hello", "panic hello"] {
        let subject = Subject::new();
        let Some(disk) = Disk::mount_or_skip(&subject) else { return };
        let subject = subject.key("stdout", disk.file("x.log")).body(body);
        disk.fill();
        let code = subject.start().exit_code();
        assert_eq!(code, if body == "fail hello" { 1 } else { 101 }, "{body}");
        subject.left_a_reason();
    }
}

#[test]
fn a_repeating_daemon_outlives_a_full_disk_and_logs_again_when_there_is_room() {
    for body in ["print tick", "fail tick", "panic tick"] {
        let subject = Subject::new();
        let Some(disk) = Disk::mount_or_skip(&subject) else { return };
        let log = disk.file("x.log");
        let subject = subject.key("stdout", &log).every(1, body).key("on_error", "continue");
        let daemon = subject.start();
        let length = || fs::metadata(&log).unwrap().len();
        wait_until("a full disk", || {
            disk.fill();
            length() > 4096
        });
        // This fills the rest of the log's last page too.
        let mut last = 0;
        wait_until("a log that can't grow", || std::mem::replace(&mut last, length()) == length());
        subject.act("status").runs(daemon);
        disk.clear();
        let full = length();
        wait_until("more of the log", || length() > full);
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &stopped(daemon));
        assert_eq!(daemon.exit_code(), 0, "{body}");
        subject.left_nothing();
    }
}

#[test]
fn a_reload_on_a_full_disk_keeps_the_old_log_and_says_so() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let (log, old) = (disk.file("x.log"), disk.file("old.log"));
    let subject = subject.key("stdout", &log).graceful("print up; event; print still here; wait");
    let daemon = subject.start();
    wait_until("the log", || fs::read_to_string(&log).unwrap() == "up\n");
    fs::rename(&log, &old).unwrap();
    disk.fill_with_files();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    let complaint = format!("subject: cannot reopen {}: No space left on device\n", log.display());
    let expected = format!("up\n{complaint}Reload\nstill here\n");
    wait_until("the old log", || unstamped(&fs::read_to_string(&old).unwrap()) == expected);
    assert!(!log.exists());
    disk.clear();
    daemon.signal(Signal::SIGHUP);
    wait_until("the new log", || log.exists());
    subject.act("stop").says(0, &stopped(daemon));
}

#[test]
fn a_read_only_disk_is_named_and_nothing_is_left() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = subject.pidfile();
    let (other, log) = (disk.file("x.pid"), disk.file("x.log"));
    disk.protect();
    let subject = subject.key("pidfile", &other);
    start_fails(&subject, &other, &["cannot open pidfile ", text(&other), READ_ONLY]);
    subject.act("stop").says(0, "subject: not running");
    let subject = subject.key("pidfile", pidfile).key("stdout", &log);
    for action in ["start", "restart"] {
        subject.act(action).fails_naming(1, &["cannot open stdout ", text(&log), READ_ONLY]);
        subject.left_nothing();
    }
    // Nothing has to be written to it.
    let subject = subject.without("stdout").key("working_directory", &disk.path);
    let daemon = subject.start();
    assert_eq!(daemon.link("cwd"), disk.path);
}

#[test]
fn a_stale_pidfile_on_a_read_only_disk_is_no_daemon() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = disk.file("x.pid");
    let subject = subject.key("pidfile", &pidfile);
    fs::write(&pidfile, "7\n").unwrap();
    disk.protect();
    let stale = format!("subject: not running (stale pidfile {})", pidfile.display());
    subject.act("status").says(1, &stale);
    subject.act("stop").says(0, "subject: not running");
    subject.act("reload").fails(1, "subject: not running");
    subject.act("start").fails_naming(1, &["cannot open pidfile ", READ_ONLY]);
    subject.act("status").says(1, &stale);
    disk.unprotect();
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    assert!(!pidfile.exists());
}

#[test]
fn a_disk_that_becomes_read_only_is_in_no_stops_way() {
    let subject = Subject::new();
    let Some(disk) = Disk::mount_or_skip(&subject) else { return };
    let pidfile = disk.file("x.pid");
    let log = disk.file("x.log");
    let subject = subject.key("pidfile", &pidfile).key("stdout", &log).body("print up; park");
    let daemon = subject.start();
    wait_until("the log", || fs::read_to_string(&log).unwrap() == "up\n");
    let rotated = disk.file("x.log.1");
    fs::rename(&log, &rotated).unwrap();
    disk.protect();
    // The daemon has no mount namespace of its own, so it sees the same.
    subject.act("status").runs(daemon);
    subject.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    let complaint = format!("subject: cannot reopen {}: Read-only file system\n", log.display());
    wait_until("the complaint", || {
        unstamped(&fs::read_to_string(&rotated).unwrap()) == format!("up\n{complaint}")
    });
    subject.act("stop").says(0, &stopped(daemon));
    // It cannot be removed. The daemon, which has it open, can empty it.
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), "");
    subject.act("status").says(3, "subject: not running");
    disk.unprotect();
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
}

/// Runs an action with a limit on the length of files.
fn limited(subject: &Subject, limit: &str, action: &str) -> Answer {
    Answer::of(subject.wrapped(&["prlimit", &format!("--fsize={limit}"), "--core=0"], action))
}

#[test]
fn a_pidfile_that_may_not_grow_is_named_and_nothing_is_left() {
    if !tool_or_skip(&["prlimit", "--fsize=0", "true"]) {
        return;
    }
    // The limits leave room for none of the text, or for a part of it.
    for limit in ["0", "1"] {
        for action in ["start", "restart", "run"] {
            let subject = Subject::new().without("stdout");
            let pidfile = subject.pidfile();
            let answer = limited(&subject, limit, action);
            answer.fails_naming(1, &["failed to start: cannot write pidfile ", text(&pidfile), TOO_LARGE]);
            subject.left_nothing();
        }
    }
}

#[test]
fn a_log_that_may_not_grow_ends_the_body_as_the_system_has_it() {
    if !tool_or_skip(&["prlimit", "--fsize=0", "true"]) {
        return;
    }
    let subject = Subject::new().body(format!("print {}; park", "x".repeat(100)));
    let daemon = limited(&subject, "40", "start").started();
    assert_eq!(daemon.killer(), Signal::SIGXFSZ);
    assert!(subject.log_text().len() <= 40);
    subject
        .act("status")
        .says(1, &format!("subject: not running (stale pidfile {})", subject.pidfile().display()));
    fs::remove_file(subject.log()).unwrap();
    let daemon = subject.start();
    subject.act("stop").says(0, &stopped(daemon));
    subject.left_nothing();
}

#[test]
fn a_log_that_is_larger_than_two_gigabytes_is_continued() {
    const LENGTH: u64 = (1 << 31) - 1;
    let subject =
        Subject::new().key("stderr", "/dev/null").graceful("print begun; event; event; print ended");
    // The first line ends beyond the limit, and the reload opens a file that is beyond it.
    File::create(subject.log()).unwrap().set_len(LENGTH).unwrap();
    let length = || fs::metadata(subject.log()).unwrap().len() - LENGTH;
    let daemon = subject.start();
    wait_until("the first line", || length() == 6);
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    wait_until("the second line", || length() == 13);
    subject.act("stop").says(0, &stopped(daemon));
    assert_eq!(length(), 24);
    let daemon = subject.start();
    wait_until("another line", || length() == 30);
    subject.act("stop").says(0, &stopped(daemon));
    subject.left_nothing();
}

#[test]
fn stop_and_status_need_write_nothing() {
    if !tool_or_skip(&["prlimit", "--fsize=0", "true"]) {
        return;
    }
    let subject = Subject::new();
    let daemon = subject.start();
    limited(&subject, "0", "status").runs(daemon);
    limited(&subject, "0", "reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    limited(&subject, "0", "stop").says(0, &stopped(daemon));
    subject.left_nothing();
}

#[test]
fn the_mode_of_the_pidfile_is_a_courtesy() {
    if !strace_or_skip() {
        return;
    }
    for error in ["EPERM", "EOPNOTSUPP", "ENOSYS", "EROFS", "EIO"] {
        let subject = Subject::new().body("nothing");
        let refuse = ["-e", &format!("inject=fchmod,chmod,fchmodat:error={error}")];
        fs::write(subject.pidfile(), "").unwrap();
        fs::set_permissions(subject.pidfile(), fs::Permissions::from_mode(0o664)).unwrap();
        Answer::of(subject.traced(&refuse, "start")).started();
        subject.leaves_nothing();
        fs::write(subject.pidfile(), "").unwrap();
        fs::set_permissions(subject.pidfile(), fs::Permissions::from_mode(0o664)).unwrap();
        let run = Answer::of(subject.traced(&refuse, "run"));
        assert_eq!((run.status.code(), run.stderr.as_str()), (Some(0), ""), "{error}");
    }
}

#[test]
fn a_pidfile_that_root_has_made_for_a_group_serves_its_members() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    fs::set_permissions(subject.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(subject.pidfile(), "").unwrap();
    fs::set_permissions(subject.pidfile(), fs::Permissions::from_mode(0o664)).unwrap();
    std::os::unix::fs::chown(subject.pidfile(), Some(0), Some(65_534)).unwrap();
    let subject = subject.key("stdout", "/dev/null");
    let act = |action| Answer::of(subject.by_nobody(action));
    let first = act("start").started();
    assert_eq!(subject.pid_text(), format!("{first}\n"));
    act("status").runs(first);
    let restarted = act("restart");
    let second = restarted.pid();
    restarted.says(0, &format!("subject: restarted (pid {second})"));
    act("stop").says(0, &stopped(second));
    let left = fs::metadata(subject.pidfile()).unwrap();
    assert_eq!(
        (left.len(), left.permissions().mode() & 0o777),
        (0, 0o664),
        "the file is kept for the next start"
    );
}

#[test]
fn without_proc_a_start_does_without_the_thread_check() {
    if !root_or_skip() || !tool_or_skip(&["unshare", "-m", "umount", "-l", "/proc"]) {
        return;
    }
    let subject = Subject::new();
    let act = |action| {
        let blind = "while umount -l /proc 2>/dev/null; do :; done; exec \"$0\" \"$@\"";
        let mut command: Command = subject.wrapped(&["unshare", "-m", "sh", "-c", blind], action);
        command.env("SUBJECT_THREAD", "");
        Answer::of(command)
    };
    let daemon = act("start").started();
    assert_eq!(daemon.status("Threads"), "1");
    let answer = act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    act("stop").says(0, &stopped(second));
    subject.left_nothing();
}
