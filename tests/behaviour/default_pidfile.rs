//! The default pidfile: where it is, whose daemon it may name, and whose it may not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use common::{Answer, Process, Subject, available_or_skip, root_or_skip, tool_or_skip};

/// A user without an entry in the user database.
const STRANGER: &str = "54321";

/// Returns a daemon that any user may start, without a key for the pidfile.
fn by_default() -> Subject {
    let subject = Subject::new().open_to_all().without("pidfile").without("stdout");
    for folder in ["home", "state"] {
        let folder = subject.path(folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    subject
}

/// Makes a command one of an ordinary user with these variables alone.
fn with(mut command: Command, variables: &[(&str, &Path)]) -> Answer {
    for name in ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    Answer::of(command)
}

fn stopped(daemon: Process) -> String {
    format!("subject: stopped (pid {daemon})")
}

#[test]
fn it_is_in_the_state_directory_of_the_user() {
    if !root_or_skip() {
        return;
    }
    let subject = by_default();
    let (home, state, missing) = (subject.path("home"), subject.path("state"), subject.path("state/a/b"));
    let in_home = home.join(".local/state");
    let (relative, empty) = (Path::new("state"), Path::new(""));
    let cases: [(&[(&str, &Path)], &Path); 6] = [
        (&[("XDG_STATE_HOME", &state), ("HOME", &home)], &state),
        (&[("XDG_STATE_HOME", &missing)], &missing),
        (&[("HOME", &home)], &in_home),
        (&[("XDG_STATE_HOME", relative), ("HOME", &home)], &in_home),
        (&[("XDG_STATE_HOME", empty), ("HOME", &home)], &in_home),
        (&[("XDG_RUNTIME_DIR", &state), ("HOME", &home)], &in_home),
    ];
    for (variables, directory) in cases {
        let act = |action| {
            let mut command = subject.by_nobody(action);
            command.current_dir(subject.path("."));
            with(command, variables)
        };
        let pidfile = directory.join("subject.pid");
        let daemon = act("start").started();
        assert_eq!(fs::read_to_string(&pidfile).ok(), Some(format!("{daemon}\n")), "{variables:?}");
        act("status").runs(daemon);
        act("start").fails(1, &format!("subject: already running (pid {daemon})"));
        act("reload").says(0, &format!("subject: reloaded (pid {daemon})"));
        act("stop").says(0, &stopped(daemon));
        assert!(!pidfile.exists());
    }
    for made in [&missing, &in_home, &home.join(".local")] {
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o7777, 0o700, "{}", made.display());
    }
}

#[test]
fn its_directory_is_made_whatever_the_umask() {
    if !root_or_skip() {
        return;
    }
    let subject = by_default().key("umask", "777").body("nothing");
    for action in ["start", "run"] {
        let state = subject.path("state").join(action);
        let answer = with(subject.by_nobody(action), &[("XDG_STATE_HOME", &state.join("b"))]);
        assert_eq!(answer.status.code(), Some(0), "{answer:?}");
        assert_eq!(fs::metadata(state.join("b")).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}

#[test]
fn only_a_start_makes_its_directory() {
    if !root_or_skip() {
        return;
    }
    let subject = by_default();
    let (home, state) = (subject.path("home"), subject.path("state/a"));
    for variables in [[("HOME", home.as_path())], [("XDG_STATE_HOME", &state)]] {
        let act = |action| with(subject.by_nobody(action), &variables);
        act("status").says(3, "subject: not running");
        act("stop").says(0, "subject: not running");
        act("reload").fails(1, "subject: not running");
    }
    assert!(fs::read_dir(&home).unwrap().next().is_none() && !state.exists());
}

#[test]
fn a_user_without_a_home_directory_is_told_to_give_a_pidfile() {
    let strange = ["setpriv", "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"];
    if !root_or_skip() || !tool_or_skip(&[&strange[..], &["true"]].concat()) {
        return;
    }
    let subject = by_default();
    let (missing, file) = (subject.path("missing"), subject.path("file"));
    fs::write(&file, "").unwrap();
    let cases: [&[(&str, &Path)]; 5] = [
        &[],
        &[("HOME", Path::new(""))],
        &[("HOME", Path::new("home"))],
        &[("HOME", &missing)],
        &[("HOME", &file)],
    ];
    for variables in cases {
        let act = |action| with(subject.wrapped(&strange, action), variables);
        for action in ["start", "restart", "run", "stop", "reload"] {
            act(action).fails_naming(1, &["subject: failed to ", "home directory", "`pidfile`"]);
        }
        act("status").fails_naming(4, &["subject: unknown: ", "home directory", "`pidfile`"]);
        assert_eq!(subject.processes(), []);
    }
}

#[test]
fn without_home_the_user_database_names_the_home_directory() {
    let mounting = ["unshare", "-m", "mount", "--bind", "/etc/hosts", "/etc/passwd"];
    if !root_or_skip() || !tool_or_skip(&mounting) {
        return;
    }
    let subject = by_default();
    let (home, passwd) = (subject.path("home"), subject.path("passwd"));
    let entry = format!("stranger:x:{STRANGER}:{STRANGER}::{}:/bin/sh\n", home.display());
    fs::write(&passwd, format!("root:x:0:0:root:/root:/bin/sh\n{entry}")).unwrap();
    let become_stranger = format!(
        "mount --bind {} /etc/passwd && exec setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups \"$0\" \"$@\"",
        passwd.display()
    );
    for variables in [&[][..], &[("HOME", Path::new(""))], &[("HOME", Path::new("relative"))]] {
        let act = |action| {
            with(subject.wrapped(&["unshare", "-m", "sh", "-c", &become_stranger], action), variables)
        };
        let daemon = act("start").started();
        let pidfile = home.join(".local/state/subject.pid");
        assert_eq!(fs::read_to_string(pidfile).ok(), Some(format!("{daemon}\n")));
        act("stop").says(0, &stopped(daemon));
    }
}

#[test]
fn a_directory_that_the_user_may_not_write_is_4() {
    if !root_or_skip() {
        return;
    }
    let subject = by_default();
    let folder = subject.path("roots");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    for (directory, parts) in [
        (folder.clone(), ["subject: permission denied: ", "roots/subject.pid"]),
        (folder.join("missing"), ["roots/missing", "`pidfile`"]),
    ] {
        for action in ["start", "run"] {
            with(subject.by_nobody(action), &[("XDG_STATE_HOME", &directory)])
                .fails_naming(4, &[&parts[..], &["subject: permission denied: "]].concat());
        }
        let act = |action| with(subject.by_nobody(action), &[("XDG_STATE_HOME", &directory)]);
        act("status").says(3, "subject: not running");
        act("stop").says(0, "subject: not running");
    }
    assert!(fs::read_dir(&folder).unwrap().next().is_none());
    assert_eq!(subject.processes(), []);
}

/// Copies the program of a daemon: the same actions, but another program.
fn copy_of_program(subject: &Subject, name: &str) -> PathBuf {
    let copy = subject.path(name);
    assert!(Command::new("cp").arg(subject.path("subject")).arg(&copy).status().unwrap().success());
    copy
}

/// Prepares an action that the user nobody takes with a certain program.
fn by_nobody_with(subject: &Subject, program: &Path, action: &str) -> Command {
    let mut command = subject.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program).arg(action);
    command
}

#[test]
fn a_holder_that_is_another_program_is_refused_and_named() {
    if !root_or_skip() || !tool_or_skip(&["setpriv", "--version"]) {
        return;
    }
    let subject = by_default();
    let state = subject.path("state");
    let alpha = copy_of_program(&subject, "alpha");
    let act = |program: &Path, action| {
        with(by_nobody_with(&subject, program, action), &[("XDG_STATE_HOME", &state)])
    };
    let daemon = act(&alpha, "start").started();
    let own = subject.path("subject");
    let refused = format!(
        "subject: {} is held by another program, {} (pid {daemon}); give `name` or `pidfile`",
        state.join("subject.pid").display(),
        alpha.display()
    );
    for action in ["start", "stop", "restart", "reload", "run"] {
        act(&own, action).fails(1, &refused);
    }
    act(&own, "status").fails(4, &refused);
    assert!(daemon.is_alive());
    // The program of a daemon may be removed or replaced while it runs.
    fs::remove_file(&alpha).unwrap();
    act(&own, "stop").fails(1, &refused);
    copy_of_program(&subject, "alpha");
    act(&alpha, "status").runs(daemon);
    // The same file by another path is the same program.
    act(&alpha, "stop").says(0, &stopped(daemon));
    let daemon = act(&alpha, "start").started();
    let beta = subject.path("beta");
    fs::hard_link(&alpha, &beta).unwrap();
    act(&beta, "status").runs(daemon);
    fs::rename(&beta, subject.path("gamma")).unwrap();
    act(&subject.path("gamma"), "stop").says(0, &stopped(daemon));
}

#[test]
fn a_pidfile_that_is_given_may_be_held_by_any_program() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all();
    let alpha = copy_of_program(&subject, "alpha");
    let mut command = subject.command(&alpha);
    command.arg("start");
    let daemon = Answer::of(command).started();
    subject.act("status").runs(daemon);
    subject.act("stop").says(0, &stopped(daemon));
}

#[test]
fn a_holder_whose_program_cannot_be_read_is_the_daemon() {
    let hidden = ["unshare", "-m", "mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"];
    if !root_or_skip() || !tool_or_skip(&hidden) {
        return;
    }
    let subject = by_default();
    let state = subject.path("state");
    let alpha = copy_of_program(&subject, "alpha");
    let mut start = subject.command(&alpha);
    start.arg("start");
    // Root's process, which has another program and is hidden from an ordinary user.
    let name = subject.path("state/subject.pid");
    start.env("SUBJECT_PIDFILE", &name);
    let daemon = Answer::of(start).pid();
    let act = |action| with(subject.by_nobody(action), &[("XDG_STATE_HOME", &state)]);
    act("status").runs(daemon);
    act("stop").fails_naming(4, &["subject: permission denied: "]);
    assert!(daemon.is_alive());
}

/// A daemon that root runs under its default pidfile, whose name no other test has.
struct Roots {
    subject: Subject,
    name: String,
}

impl Roots {
    fn new(word: &str) -> Option<Self> {
        Self::of(word, |subject| subject)
    }

    fn of(word: &str, keys: impl FnOnce(Subject) -> Subject) -> Option<Self> {
        if !root_or_skip() || !available_or_skip("a directory /run", Path::new("/run").is_dir()) {
            return None;
        }
        let name = format!("daemonic-test-{word}-{}", process::id());
        Some(Self { subject: keys(by_default().key("name", &name)), name })
    }

    fn pidfile(&self) -> PathBuf {
        format!("/run/{}.pid", self.name).into()
    }

    fn act(&self, action: &str) -> Answer {
        self.subject.act(action)
    }

    fn by_nobody(&self, action: &str) -> Answer {
        with(self.subject.by_nobody(action), &[("XDG_STATE_HOME", &self.subject.path("state"))])
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.pidfile());
    }
}

#[test]
fn an_ordinary_user_is_told_of_the_daemon_that_root_runs() {
    let Some(roots) = Roots::new("root") else { return };
    let (name, path) = (&roots.name, roots.pidfile());
    roots.by_nobody("status").says(3, &format!("{name}: not running"));
    let daemon = roots.act("start").pid();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{daemon}\n"));
    let status = roots.by_nobody("status");
    assert_eq!(status.status.code(), Some(0), "{status:?}");
    assert!(status.stdout.starts_with(&format!("{name}: running (pid {daemon}, up ")), "{status:?}");
    assert!(status.stdout.ends_with(&format!("; {})\n", path.display())), "{status:?}");
    for action in ["stop", "reload", "restart"] {
        let parts =
            [&format!("{name}: permission denied: "), path.to_str().unwrap(), &format!("(pid {daemon})")];
        roots.by_nobody(action).fails_naming(4, &parts);
    }
    assert!(daemon.is_alive());
    // A user's own daemon is another one.
    let own = roots.by_nobody("start");
    let second = own.pid();
    own.says(0, &format!("{name}: started (pid {second})"));
    let status = roots.by_nobody("status").stdout;
    assert!(status.contains(&format!("(pid {second}, ")) && !status.contains("/run"), "{status}");
    roots.by_nobody("stop").says(0, &format!("{name}: stopped (pid {second})"));
    assert_eq!(roots.by_nobody("status").pid(), daemon);
    // Root's own answer does not name the file.
    assert!(!roots.act("status").stdout.contains("/run"));
    roots.act("stop").says(0, &format!("{name}: stopped (pid {daemon})"));
    roots.by_nobody("status").says(3, &format!("{name}: not running"));
    roots.by_nobody("stop").says(0, &format!("{name}: not running"));
}

#[test]
fn a_stale_file_of_the_users_own_does_not_hide_roots_daemon() {
    let Some(roots) = Roots::new("stale") else { return };
    let name = &roots.name;
    let own = roots.subject.path("state").join(format!("{name}.pid"));
    let stale = format!("{name}: not running (stale pidfile {})", own.display());
    fs::write(&own, "7\n").unwrap();
    roots.by_nobody("status").says(1, &stale);
    let daemon = roots.act("start").pid();
    assert_eq!(roots.by_nobody("status").pid(), daemon);
    roots.by_nobody("stop").fails_naming(4, &["permission denied", "/run/"]);
    roots.act("stop");
    // What else is at root's path says nothing about the user's daemon.
    fs::create_dir(roots.pidfile()).unwrap();
    fs::write(&own, "7\n").unwrap();
    roots.by_nobody("status").says(1, &stale);
    fs::remove_dir(roots.pidfile()).unwrap();
}

#[test]
fn a_user_who_cannot_look_into_the_own_directory_is_told_of_roots_daemon() {
    let Some(roots) = Roots::new("home") else { return };
    let name = &roots.name;
    let closed = roots.subject.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let act = |action| with(roots.subject.by_nobody(action), &[("HOME", &closed)]);
    act("status").fails_naming(4, &[&format!("{name}: permission denied: "), "closed/.local/state"]);
    let daemon = roots.act("start").pid();
    assert_eq!(act("status").pid(), daemon);
    act("stop").fails_naming(4, &["permission denied", roots.pidfile().to_str().unwrap()]);
}

#[test]
fn a_user_without_a_home_directory_is_told_of_roots_daemon() {
    let Some(roots) = Roots::new("homeless") else { return };
    let pidfile = roots.pidfile();
    let act = |action| with(roots.subject.by_nobody(action), &[("HOME", Path::new("/no/such/directory"))]);
    act("status").fails_naming(4, &["unknown: ", "home directory"]);
    let daemon = roots.act("start").pid();
    let status = act("status");
    assert_eq!((status.status.code(), status.pid()), (Some(0), daemon));
    assert!(status.stdout.contains(&format!("; {})", pidfile.display())), "{status:?}");
    for action in ["stop", "reload", "restart"] {
        act(action).fails_naming(4, &["permission denied", pidfile.to_str().unwrap()]);
    }
    act("start").fails_naming(1, &["failed to start: ", "home directory"]);
}

#[test]
fn another_program_under_roots_pidfile_is_not_the_users_daemon() {
    let Some(roots) = Roots::new("alien") else { return };
    let name = &roots.name;
    // A process of the same user, so that its program can be read.
    let alpha = copy_of_program(&roots.subject, "alpha");
    fs::write(roots.pidfile(), "").unwrap();
    std::os::unix::fs::chown(roots.pidfile(), Some(65_534), Some(65_534)).unwrap();
    let mut start = by_nobody_with(&roots.subject, &alpha, "start");
    start.env("SUBJECT_PIDFILE", roots.pidfile());
    let daemon = Answer::of(start).pid();
    roots.by_nobody("status").says(3, &format!("{name}: not running"));
    roots.by_nobody("stop").says(0, &format!("{name}: not running"));
    roots.by_nobody("reload").fails(1, &format!("{name}: not running"));
    assert!(daemon.is_alive());
}

#[test]
fn a_body_that_has_become_another_user_finds_itself() {
    let keys =
        |subject: Subject| subject.key("user", "nobody").graceful("act status; act reload; act stop; wait");
    let Some(roots) = Roots::of("itself", keys) else { return };
    let mut start = roots.subject.action("start");
    start.env("HOME", roots.subject.path("home")).env_remove("XDG_STATE_HOME");
    start.env("SUBJECT_STDOUT", roots.subject.log());
    let daemon = Answer::of(start).pid();
    let log = common::wait_for("the answer of the body", || {
        Some(roots.subject.log_text()).filter(|text| text.lines().any(|line| line.starts_with("stop: ")))
    });
    let name = &roots.name;
    assert!(log.starts_with(&format!("status: {name}: running (pid {daemon}")), "{log}");
    assert!(log.contains(&format!("reload: {name}: reloaded (pid {daemon})\n")), "{log}");
    assert!(log.contains(&format!("stop: {name}: failed to stop: this is the daemon itself; ")), "{log}");
}
