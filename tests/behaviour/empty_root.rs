//! A static program in a directory that has nothing else: no `/proc`, `/dev`, `/etc` or C library.
//!
//! `DAEMONIC_EMULATOR` is a static program that executes the daemon's, for another processor.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::notice::unstamped;
use common::{Answer, Process, Subject, available_or_skip, root_or_skip, static_program, wait_until};
use nix::sys::signal::Signal;

/// A daemon that sees nothing but its own directory.
struct Jail {
    subject: Subject,
    root: PathBuf,
    /// What runs the program.
    words: &'static [&'static str],
}

impl Jail {
    /// Prepares the directory, or returns `None` if the test must be skipped.
    fn new() -> Option<Self> {
        let program = root_or_skip().then(|| static_program("subject"))?;
        if !available_or_skip("a static C library", program.is_some()) {
            return None;
        }
        let subject = Subject::new().key("pidfile", "/subject.pid").key("stdin", "/in").key("stdout", "/log");
        let root = subject.path("root");
        fs::create_dir(&root).expect("a directory");
        // Another process copies it; see `Subject::open_to_all`.
        let copy = |from: PathBuf, name| {
            let copied = Command::new("cp").arg(from).arg(root.join(name)).status();
            assert!(copied.expect("cp runs").success());
        };
        copy(program?, "subject");
        let mut words = &["/subject"][..];
        if let Some(emulator) = env::var_os("DAEMONIC_EMULATOR") {
            copy(emulator.into(), "emulator");
            words = &["/emulator", "/subject"];
        }
        fs::write(root.join("in"), "").expect("a file");
        Some(Self { subject, root, words })
    }

    fn key(self, key: &str, value: &str) -> Self {
        Self { subject: self.subject.key(key, value), ..self }
    }

    fn without(self, key: &str) -> Self {
        Self { subject: self.subject.without(key), ..self }
    }

    fn action(&self, action: &str) -> Command {
        let mut command = self.subject.command("chroot");
        command.arg(&self.root).args(self.words).arg(action);
        command
    }

    fn act(&self, action: &str) -> Answer {
        Answer::of(self.action(action))
    }

    fn log(&self) -> String {
        unstamped(&fs::read_to_string(self.root.join("log")).unwrap_or_default())
    }

    #[track_caller]
    fn logs(&self, text: &str) {
        wait_until(format_args!("{text:?} in the log"), || self.log().contains(text));
    }

    /// Fails unless the daemon runs. Its age is unknown without `/proc`.
    #[track_caller]
    fn has(&self, daemon: Process) {
        self.act("status").says(0, &format!("subject: running (pid {daemon})"));
        assert_eq!(daemon.link("root"), self.root);
    }

    #[track_caller]
    fn stop(&self, daemon: Process) {
        self.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        assert!(!self.root.join("subject.pid").exists(), "the pidfile is left");
        assert!(!daemon.is_alive());
    }
}

#[test]
fn every_action_works() {
    let Some(jail) = Jail::new() else { return };
    let jail = jail.key("context", "").key("body", "event; event; print done");
    jail.act("status").says(3, "subject: not running");
    jail.act("stop").says(0, "subject: not running");
    jail.act("reload").fails(1, "subject: not running");
    let daemon = jail.act("start").started();
    jail.act("start").fails(1, &format!("subject: already running (pid {daemon})"));
    jail.has(daemon);
    fs::rename(jail.root.join("log"), jail.root.join("log.1")).expect("a log");
    jail.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    jail.logs("Reload\n");
    let answer = jail.act("restart");
    let second = answer.pid();
    answer.says(0, &format!("subject: restarted (pid {second})"));
    jail.has(second);
    assert_eq!(jail.log(), "Reload\nStop\ndone\n");
    jail.stop(second);
}

#[test]
fn it_runs_in_the_foreground() {
    let Some(jail) = Jail::new() else { return };
    let child = jail.action("run").spawn().expect("the program runs");
    let process = Process(child.id().try_into().expect("a pid"));
    wait_until("the pidfile", || {
        fs::read_to_string(jail.root.join("subject.pid")).is_ok_and(|text| text == format!("{process}\n"))
    });
    wait_until("the call of the body", || !jail.act("status").stdout.contains(": starting "));
    jail.has(process);
    jail.act("stop").says(0, &format!("subject: stopped (pid {process})"));
    assert_eq!(Answer::from(child).signal(), Some(Signal::SIGTERM));
    assert!(!jail.root.join("subject.pid").exists(), "the pidfile is left");
}

#[test]
fn start_waits_until_the_body_is_ready() {
    let Some(jail) = Jail::new() else { return };
    let jail = jail.key("context", "").key("wait_ready", "10000");
    let jail = jail.key("body", "print warming up; ready; wait");
    let daemon = jail.act("start").started();
    assert_eq!(jail.log(), "warming up\n");
    jail.stop(daemon);
    let jail = jail.key("body", "fail no fuel");
    jail.act("start").fails(1, "subject: failed to start: no fuel: the cause");
    assert!(!jail.root.join("subject.pid").exists(), "the pidfile is left");
}

#[test]
fn a_run_that_panics_does_not_end_a_repeating_daemon() {
    let Some(jail) = Jail::new() else { return };
    let jail =
        jail.key("every", "1").key("on_error", "continue").key("body", "first panic once; print twice");
    let daemon = jail.act("start").started();
    jail.logs("once\n");
    jail.logs("twice\n");
    jail.stop(daemon);
}

#[test]
fn numbers_stand_for_a_user_and_a_group_without_a_user_database() {
    let Some(jail) = Jail::new() else { return };
    let jail = jail.key("user", "65534").key("group", "65534");
    let daemon = jail.act("start").started();
    assert_eq!(daemon.status("Uid"), "65534\t65534\t65534\t65534");
    assert_eq!(daemon.status("Groups"), "65534");
    jail.stop(daemon);
    let jail = jail.key("user", "nobody");
    jail.act("start")
        .fails(1, "subject: failed to start: there is no user nobody; give `user` one that exists");
}

#[test]
fn a_missing_dev_null_is_named() {
    let Some(jail) = Jail::new() else { return };
    let jail = jail.without("stdin");
    jail.act("start").fails_naming(1, &["subject: failed to start: cannot open stdin /dev/null"]);
    assert!(!jail.root.join("subject.pid").exists(), "the pidfile is left");
}
