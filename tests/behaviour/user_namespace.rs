//! User namespaces, whose root is an ordinary user outside and has only that user's rights there.

use std::fs;
use std::process::{Child, Command};

use common::{Answer, Process, Subject, root_or_skip, tool_or_skip, wait_until};

/// The user that the namespace's root is outside.
const OUTSIDE: u32 = 3_000_000;

/// A user namespace. Dropping it ends the namespace.
struct UserNamespace {
    keeper: Child,
}

impl UserNamespace {
    /// Makes one with some users and groups, of which the first is root, or skips the test.
    fn of_or_skip(users: u32) -> Option<Self> {
        if !root_or_skip() || !tool_or_skip(&["unshare", "-U", "nsenter", "--version"]) {
            return None;
        }
        let keeper = Command::new("unshare").args(["-U", "sleep", "100"]).spawn().expect("unshare runs");
        let namespace = Self { keeper };
        let outside = Process(namespace.keeper.id().try_into().expect("a pid"));
        wait_until("a namespace", || outside.link("exe").ends_with("sleep"));
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{outside}/{map}"), format!("0 {OUTSIDE} {users}\n")).expect("a map");
        }
        Some(namespace)
    }

    /// Runs an action as its root.
    fn act(&self, subject: &Subject, action: &str) -> Answer {
        let keeper = self.keeper.id().to_string();
        let enter = ["nsenter", "-t", &keeper, "-U", "-S", "0", "-G", "0"];
        Answer::of(subject.wrapped(&enter, action))
    }
}

impl Drop for UserNamespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Returns the four user and the four group numbers, and the groups, as they are outside.
fn identity(daemon: Process) -> [String; 3] {
    ["Uid", "Gid", "Groups"].map(|field| daemon.status(field))
}

fn four(id: u32) -> String {
    [id.to_string().as_str(); 4].join("\t")
}

#[test]
fn its_root_has_a_daemon_like_anybody() {
    let Some(namespace) = UserNamespace::of_or_skip(65_536) else { return };
    let subject = Subject::new().open_to_all();
    let daemon = namespace.act(&subject, "start").started();
    assert_eq!(identity(daemon), [four(OUTSIDE), four(OUTSIDE), String::new()]);
    namespace.act(&subject, "status").runs(daemon);
    subject.act("status").runs(daemon);
    let restart = namespace.act(&subject, "restart");
    let second = restart.pid();
    restart.says(0, &format!("subject: restarted (pid {second})"));
    namespace.act(&subject, "stop").says(0, &format!("subject: stopped (pid {second})"));
    subject.left_nothing();
}

#[test]
fn its_root_can_make_the_daemon_one_of_its_users() {
    let Some(namespace) = UserNamespace::of_or_skip(65_536) else { return };
    let subject = Subject::new().open_to_all().key("user", "1234").key("group", "4321");
    let daemon = namespace.act(&subject, "start").started();
    let group = OUTSIDE + 4321;
    assert_eq!(identity(daemon), [four(OUTSIDE + 1234), four(group), group.to_string()]);
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(daemon.status(set), "0000000000000000", "{set}");
    }
    namespace.act(&subject, "stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn a_user_whom_it_doesnt_have_is_refused() {
    let Some(namespace) = UserNamespace::of_or_skip(1) else { return };
    let subject = Subject::new().open_to_all().key("user", "1234").key("group", "0");
    for action in ["start", "run", "restart"] {
        namespace.act(&subject, action).fails_naming(1, &["subject: failed to start: ", "user 1234"]);
        subject.left_nothing();
    }
}

#[test]
fn its_root_may_ask_for_a_daemon_outside_but_not_signal_it() {
    let Some(namespace) = UserNamespace::of_or_skip(65_536) else { return };
    let subject = Subject::new().open_to_all().graceful("event; print ended");
    let daemon = subject.start();
    namespace.act(&subject, "status").runs(daemon);
    for action in ["stop", "reload", "restart"] {
        namespace
            .act(&subject, action)
            .fails_naming(4, &["subject: permission denied: ", &daemon.to_string()]);
    }
    assert!(subject.pidfile().exists());
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert_eq!(subject.log_text(), "Stop\nended\n", "an event from inside was heard");
    subject.left_nothing();
}

#[test]
fn root_stops_a_daemon_that_is_inside() {
    let Some(namespace) = UserNamespace::of_or_skip(65_536) else { return };
    let subject = Subject::new().open_to_all().key("user", "1234").key("group", "4321");
    let daemon = namespace.act(&subject, "start").started();
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}
