//! Attacks of another local user on a pidfile, in a directory that the user may write to. All of
//! them need root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Answer, Process, Subject, program, root_or_skip, tool_or_skip};

const NOBODY: u32 = 65_534;

/// A process of the other user. Dropping it ends the process.
struct Theirs {
    child: Child,
    process: Process,
}

impl Theirs {
    fn spawn(mut command: Command) -> Self {
        command.uid(NOBODY).gid(NOBODY).stdin(Stdio::piped());
        let child = command.spawn().expect("a process of nobody's");
        Self { process: Process(child.id().try_into().expect("a pid")), child }
    }

    fn sleeping() -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000");
        Self::spawn(command)
    }

    /// Holds a lock on a file.
    fn locking(subject: &Subject, path: &Path, kind: &str) -> Self {
        let locker = subject.path("locker");
        if !locker.exists() {
            let copied = Command::new("cp").arg(program("locker")).arg(&locker).status();
            assert!(copied.expect("cp runs").success());
        }
        let mut command = Command::new(locker);
        command.arg(path).args([kind, "0", "3"]).stdout(Stdio::piped());
        let mut theirs = Self::spawn(command);
        let mut line = String::new();
        let output = theirs.child.stdout.take().expect("stdout");
        BufReader::new(output).read_line(&mut line).expect("a word of the locker");
        assert_eq!(line, "locked\n");
        theirs
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a subject in a directory that every user may write to, such as `/tmp`.
fn shared() -> Subject {
    Subject::new().open_to_all()
}

/// Makes a pidfile that belongs to the other user.
fn plant(subject: &Subject, text: &str) {
    fs::write(subject.pidfile(), text).unwrap();
    chown(subject.pidfile(), Some(NOBODY), Some(NOBODY)).unwrap();
}

#[test]
fn a_planted_pid_is_never_signalled() {
    if !root_or_skip() {
        return;
    }
    let bystander = Theirs::sleeping();
    for text in [format!("{}\n", bystander.process), "1\n".into(), "-1\n".into(), "0\n".into()] {
        let subject = shared();
        plant(&subject, &text);
        subject.act("reload").fails(1, "subject: not running");
        subject.act("stop").says(0, "subject: not running");
        assert!(!subject.pidfile().exists());
        plant(&subject, &text);
        let daemon = subject.start();
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert!(bystander.process.is_alive());
    }
}

#[test]
fn what_is_written_into_a_live_pidfile_changes_nothing() {
    if !root_or_skip() {
        return;
    }
    let bystander = Theirs::sleeping();
    let subject = shared();
    plant(&subject, "");
    let daemon = subject.start();
    let planted = format!("{}\n", bystander.process);
    let mut write = Command::new("sh");
    write.args(["-c", "printf %s \"$0\" > \"$1\"", &planted]).arg(subject.pidfile()).uid(NOBODY);
    assert!(write.status().unwrap().success(), "it is their file");
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(bystander.process.is_alive());
}

#[test]
fn a_pidfile_is_never_given_away() {
    if !root_or_skip() {
        return;
    }
    let subject = shared().key("user", "nobody");
    subject.start();
    let file = fs::metadata(subject.pidfile()).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (0, 0, 0o644));
}

#[test]
fn a_read_lock_of_theirs_is_no_daemon_and_a_refused_start_names_it() {
    if !root_or_skip() {
        return;
    }
    let subject = shared();
    plant(&subject, "");
    let theirs = Theirs::locking(&subject, &subject.pidfile(), "read");
    subject.act("status").says(3, "subject: not running");
    subject.act("reload").fails(1, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    subject.act("start").fails(
        1,
        &format!(
            "subject: failed to start: cannot lock pidfile {}: held by pid {}, which is not its daemon",
            subject.pidfile().display(),
            theirs.process
        ),
    );
    assert!(theirs.process.is_alive());
}

#[test]
fn who_may_only_read_the_pidfile_cannot_take_the_daemons_lock() {
    if !root_or_skip() || !tool_or_skip(&["python3", "--version"]) {
        return;
    }
    let subject = shared();
    let daemon = subject.start();
    let mut take = Command::new("python3");
    let script = "import fcntl,sys; f=open(sys.argv[1]); fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB)";
    take.args(["-c", script]).arg(subject.pidfile()).uid(NOBODY).stderr(Stdio::null());
    assert!(!take.status().unwrap().success());
    subject.act("status").runs(daemon);
}

#[test]
fn who_replaces_the_pidfile_offers_only_a_process_of_his_own() {
    if !root_or_skip() {
        return;
    }
    let subject = shared().key("stop_timeout", "5000");
    let daemon = subject.start();
    fs::remove_file(subject.pidfile()).unwrap();
    plant(&subject, &format!("{daemon}\n"));
    let theirs = Theirs::locking(&subject, &subject.pidfile(), "write");
    subject.act("status").runs(theirs.process);
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", theirs.process));
    assert!(daemon.is_alive(), "the daemon isn't harmed");
}

#[test]
fn a_link_that_they_plant_is_refused_and_what_it_leads_to_untouched() {
    if !root_or_skip() {
        return;
    }
    for hard in [false, true] {
        let subject = shared();
        let precious = subject.path("precious");
        fs::write(&precious, "kept").unwrap();
        if hard {
            fs::hard_link(&precious, subject.pidfile()).unwrap();
        } else {
            symlink(&precious, subject.pidfile()).unwrap();
        }
        for action in ["start", "stop", "restart", "reload", "run"] {
            subject.act(action).fails_naming(1, &["link"]);
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
        assert_eq!(fs::metadata(&precious).unwrap().uid(), 0);
    }
}

#[test]
fn root_starts_over_their_file_in_a_sticky_folder() {
    if !root_or_skip() {
        return;
    }
    let subject = shared();
    plant(&subject, "");
    let daemon = subject.start();
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
    assert_eq!(fs::metadata(subject.pidfile()).unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn root_is_warned_of_a_folder_that_all_may_write_to() {
    if !root_or_skip() {
        return;
    }
    let warning = |subject: &Subject| {
        let answer = subject.act("status");
        assert_eq!(answer.status.code(), Some(3), "{answer:?}");
        answer.stderr
    };
    let subject = shared();
    assert_eq!(warning(&subject), "", "a sticky one protects");
    let folder = subject.path("open");
    fs::create_dir(&folder).unwrap();
    let subject = subject.key("pidfile", folder.join("x.pid"));
    for (mode, is_warned) in [(0o755, false), (0o777, true), (0o1777, false), (0o702, true)] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let text = format!(
            "subject: warning: every user can replace the pidfile: the directory {} is writable by all\n",
            folder.display()
        );
        assert_eq!(warning(&subject), if is_warned { text } else { String::new() }, "{mode:o}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    Answer::of(subject.by_nobody("status")).says(3, "subject: not running");
}
