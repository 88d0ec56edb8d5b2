//! The user and groups that a daemon gets, and the rights that it loses. All of it needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use common::notice::unstamped;
use common::{Answer, Process, Subject, available_or_skip, root_or_skip, tool_or_skip, wait_for, wait_until};

const NOBODY: &str = "65534";

/// Fails unless real, effective, saved and file system identity are the same.
#[track_caller]
fn has_identity(daemon: Process, user: &str, group: &str, groups: &str) {
    let four = |id: &str| [id; 4].join("\t");
    assert_eq!(daemon.status("Uid"), four(user));
    assert_eq!(daemon.status("Gid"), four(group));
    assert_eq!(daemon.status("Groups"), groups);
}

/// A user for one test, in two supplementary groups. Dropping it removes the user.
struct Account {
    name: String,
    uid: String,
    gid: String,
}

impl Account {
    /// Makes the user, or skips the test.
    fn new_or_skip(suffix: &str) -> Option<Self> {
        let name = format!("dmn{}{suffix}", std::process::id() % 100_000);
        let made = Command::new("useradd")
            .args(["--system", "--no-create-home", "--user-group", "--groups", "daemon,mail", &name])
            .status();
        if !available_or_skip("useradd", made.is_ok_and(|status| status.success())) {
            return None;
        }
        let id = |what: &str| {
            let output = Command::new("id").args([what, name.as_str()]).output().expect("id runs");
            String::from_utf8(output.stdout).expect("text").trim().to_owned()
        };
        Some(Self { uid: id("-u"), gid: id("-g"), name })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).status();
    }
}

fn group_number(name: &str) -> u32 {
    let output = Command::new("getent").args(["group", name]).output().expect("getent runs");
    let line = String::from_utf8(output.stdout).expect("text");
    line.split(':').nth(2).and_then(|gid| gid.parse().ok()).expect("a group")
}

#[test]
fn the_daemon_becomes_its_user_with_that_users_groups() {
    let Some(account) = root_or_skip().then(|| Account::new_or_skip("a")).flatten() else { return };
    let mut groups = [account.gid.parse().unwrap(), group_number("daemon"), group_number("mail")];
    groups.sort_unstable();
    let subject = Subject::new().key("user", &account.name);
    let daemon = subject.start();
    has_identity(daemon, &account.uid, &account.gid, &groups.map(|gid| gid.to_string()).join(" "));
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn the_callers_groups_and_capabilities_are_gone() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody");
    let wrapper = ["setpriv", "--groups", "0,4,27"];
    let daemon = Answer::of(subject.wrapped(&wrapper, "start")).started();
    has_identity(daemon, NOBODY, NOBODY, NOBODY);
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(daemon.status(set), "0000000000000000", "{set}");
    }
}

#[test]
fn a_user_may_be_a_number_and_needs_no_entry_then() {
    if !root_or_skip() {
        return;
    }
    let known = Subject::new().key("user", NOBODY);
    has_identity(known.start(), NOBODY, NOBODY, NOBODY);

    let unknown = Subject::new().key("user", "3123456").key("group", "3123457");
    has_identity(unknown.start(), "3123456", "3123457", "3123457");

    let groupless = Subject::new().key("user", "3123456");
    groupless.act("start").fails(
        1,
        "subject: failed to start: user 3123456 has no entry in the user database; give `group` too",
    );
    groupless.left_nothing();
}

#[test]
fn a_group_alone_leaves_the_user_and_drops_the_other_groups() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("group", "nogroup");
    let wrapper = ["setpriv", "--groups", "0,4,27"];
    let daemon = Answer::of(subject.wrapped(&wrapper, "start")).started();
    has_identity(daemon, "0", NOBODY, NOBODY);
}

#[test]
fn a_group_replaces_the_users_own() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").key("group", "daemon");
    let gid = group_number("daemon").to_string();
    has_identity(subject.start(), NOBODY, &gid, &gid);
}

#[test]
fn an_unknown_user_or_group_is_named_before_anything_is_done() {
    if !root_or_skip() {
        return;
    }
    for (key, value) in
        [("user", "no-such-user"), ("group", "no-such-group"), ("user", ""), ("user", "-1"), ("group", "+0")]
    {
        let subject = Subject::new().key(key, value);
        let reason = format!("there is no {key} {value}; give `{key}` one that exists");
        for action in ["start", "restart", "run"] {
            subject.act(action).fails(1, &format!("subject: failed to start: {reason}"));
        }
        subject.left_nothing();
        assert!(!subject.log().exists());
    }
}

#[test]
fn the_number_that_means_unchanged_is_no_user() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "4294967295").key("group", "4294967295");
    subject.act("start").fails_naming(1, &["there is no user 4294967295"]);
    subject.left_nothing();
}

#[test]
fn who_is_not_root_may_not_become_anybody() {
    if !root_or_skip() {
        return;
    }
    for key in ["user", "group"] {
        let value = if key == "user" { "daemon" } else { "mail" };
        let subject = Subject::new().open_to_all().key(key, value);
        for action in ["start", "restart", "run"] {
            Answer::of(subject.by_nobody(action)).fails(
                4,
                &format!(
                    "subject: permission denied: cannot become {key} {value} without being root: Operation not \
                     permitted (os error 1)"
                ),
            );
        }
        subject.left_nothing();
    }
    let root = tempfile::tempdir().unwrap();
    let subject = Subject::new().open_to_all().key("chroot", root.path());
    Answer::of(subject.by_nobody("start")).fails_naming(
        4,
        &["subject: permission denied: cannot confine the daemon to chroot ", root.path().to_str().unwrap()],
    );
    subject.left_nothing();
}

#[test]
fn what_needs_root_is_opened_before_the_drop() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").body("print here; park");
    let daemon = subject.start();
    subject.log_with("here");
    for path in [subject.pidfile(), subject.log()] {
        let file = fs::metadata(path).unwrap();
        assert_eq!((file.uid(), file.mode() & 0o7777), (0, 0o644));
    }
    assert_eq!(subject.pid_text(), format!("{daemon}\n"));
}

#[test]
fn a_daemon_that_may_not_remove_its_pidfile_empties_it() {
    if !root_or_skip() {
        return;
    }
    for body in ["until go", "until go; exit 0"] {
        let subject = Subject::new().key("user", "nobody");
        let go = subject.path("go");
        let subject = subject.body(body.replace("go", go.to_str().unwrap()));
        let daemon = subject.start();
        fs::write(&go, "").unwrap();
        daemon.wait_until_gone();
        assert_eq!(subject.pid_text(), "");
        assert!(subject.pidfile().exists());
        subject.act("status").says(3, "subject: not running");
        subject.act("stop").says(0, "subject: not running");
        subject.left_nothing();
    }
}

#[test]
fn root_stops_it_and_nothing_is_left() {
    if !root_or_skip() {
        return;
    }
    for subject in [Subject::new(), Subject::new().graceful("wait"), Subject::new().every(3_600_000, "")] {
        let subject = subject.key("user", "nobody");
        let daemon = subject.start();
        subject.act("status").runs(daemon);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
        subject.left_nothing();
    }
}

#[test]
fn a_reload_reopens_the_log_where_the_user_may_write() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let folder = subject.path("logs");
    fs::create_dir(&folder).unwrap();
    chown(&folder, Some(65_534), Some(65_534)).unwrap();
    let log = folder.join("log");
    let subject = subject.key("user", "nobody").key("stdout", &log).graceful("event; print again; wait");
    let daemon = subject.start();
    fs::rename(&log, folder.join("old")).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    wait_until("the new log", || fs::read_to_string(&log).is_ok_and(|text| text.contains("again")));
    assert_eq!(fs::metadata(&log).unwrap().uid(), 65_534);
}

#[test]
fn a_reload_says_in_the_old_log_that_the_user_may_not_write_another() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").graceful("event; print again; wait");
    fs::set_permissions(subject.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = subject.start();
    let rotated = subject.path("rotated");
    fs::rename(subject.log(), &rotated).unwrap();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    let log = wait_for("the old log", || fs::read_to_string(&rotated).ok().filter(|it| it.contains("again")));
    let complaint = format!("subject: cannot reopen {}: Permission denied", subject.log().display());
    assert_eq!(unstamped(&log).lines().filter(|line| *line == complaint).count(), 1, "{log}");
}

#[test]
fn a_chroot_is_the_daemons_root_and_its_directory_is_inside() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("root");
    fs::create_dir_all(root.join("inside")).unwrap();
    let subject = subject.key("chroot", &root).key("user", "nobody");

    let daemon = subject.start();
    assert_eq!((daemon.link("root"), daemon.link("cwd")), (root.clone(), root.clone()));
    has_identity(daemon, NOBODY, NOBODY, NOBODY);
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();

    for inside in ["inside", "/inside"] {
        let answer = {
            let mut command = subject.action("start");
            command.env("SUBJECT_WORKING_DIRECTORY", inside);
            Answer::of(command)
        };
        let daemon = answer.started();
        assert_eq!(daemon.link("cwd"), root.join("inside"));
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
}

#[test]
fn a_chroot_that_is_not_there_is_named() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("missing");
    let subject = subject.key("chroot", &root);
    subject.act("start").fails_naming(1, &["cannot confine the daemon to chroot ", root.to_str().unwrap()]);
    subject.left_nothing();
}

#[test]
fn a_reload_in_a_chroot_keeps_the_log_and_says_so() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root).graceful("event; print again; wait");
    let daemon = subject.start();
    subject.act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
    let log = subject.log_with("again");
    assert!(
        log.contains(&format!(
            "subject: cannot reopen {}: it is outside the chroot",
            subject.log().display()
        ))
    );
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn a_chrooted_body_that_ends_leaves_an_empty_pidfile() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root).body("act status; act start; act stop");
    let daemon = subject.act("start").pid();
    daemon.wait_until_gone();
    let log = subject.log_text();
    assert!(log.contains(&format!("status: subject: running (pid {daemon}")), "{log}");
    assert!(log.contains(&format!("start: subject: already running (pid {daemon})")), "{log}");
    assert!(log.contains("stop: subject: failed to stop: this is the daemon itself"), "{log}");
    assert_eq!(subject.pid_text(), "");
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn run_enters_the_chroot_too() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new();
    let root = subject.path("root");
    fs::create_dir(&root).unwrap();
    let subject = subject.key("chroot", &root).graceful("wait");
    let foreground = subject.run();
    assert_eq!((foreground.process.link("root"), foreground.process.link("cwd")), (root.clone(), root));
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", foreground.process));
    assert_eq!(foreground.answer().status.code(), Some(0));
}

#[test]
fn run_becomes_the_same_user() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").graceful("wait");
    let foreground = subject.run();
    has_identity(foreground.process, NOBODY, NOBODY, NOBODY);
    subject.act("stop").says(0, &format!("subject: stopped (pid {})", foreground.process));
    assert_eq!(foreground.answer().status.code(), Some(0));
    subject.left_nothing();
}

#[test]
fn capabilities_that_the_program_would_keep_are_gone_with_the_user() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().key("user", "nobody").key("keepcaps", "");
    let daemon = subject.start();
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(daemon.status(set), "0000000000000000", "{set}");
    }
}

#[test]
fn a_process_that_has_the_user_and_group_already_needs_no_root() {
    if !root_or_skip() || !tool_or_skip(&["setpriv", "--version"]) {
        return;
    }
    let subject = || Subject::new().open_to_all().key("user", NOBODY).key("group", NOBODY);
    let ids = ["setpriv", "--reuid=65534", "--regid=65534"];
    for (groups, expected) in [("--clear-groups", ""), ("--groups=8", "8")] {
        let subject = subject();
        let daemon = Answer::of(subject.wrapped(&[&ids[..], &[groups]].concat(), "start")).started();
        has_identity(daemon, NOBODY, NOBODY, expected);
        subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    }
    // With another real user there is a way back, and another group is another identity.
    let way_back = ["setpriv", "--euid=65534", "--regid=65534", "--clear-groups"];
    for (wrapper, group) in [(&way_back[..], NOBODY), (&[&ids[..], &["--clear-groups"]].concat(), "8")] {
        let subject = subject().key("group", group);
        let reason = format!("cannot become user {NOBODY}, group {group} without being root");
        let text = format!("subject: permission denied: {reason}: Operation not permitted (os error 1)");
        Answer::of(subject.wrapped(wrapper, "start")).fails(4, &text);
    }
}
