//! A daemon as a service of systemd: its unit, and the actions that install it or go through it.
//!
//! The units are used by a systemd that is process 1 of a machine of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use common::machine::Machine;
use common::notice::unstamped;
use common::{Subject, root_or_skip, service_subject, tool_or_skip, wait_until};
use serde_json::Value;

use crate::json::mistakes;

const UNIT: &str = "subject.service";
const UNITS: &str = "/etc/systemd/system";
const PATH: &str = "/etc/systemd/system/subject.service";

// ---- the text ----

/// A daemon without a key of its own, which only prints its unit.
fn plain() -> Subject {
    Subject::of(service_subject()).without("pidfile").without("stdout")
}

/// Returns the unit of a daemon.
#[track_caller]
fn unit(subject: &Subject) -> String {
    let answer = subject.act("unit");
    assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(0), ""));
    answer.stdout
}

/// Fails unless a unit has a line.
#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
}

/// Fails if a unit has a line that begins so.
#[track_caller]
fn lacks(text: &str, beginning: &str) {
    assert!(!text.lines().any(|line| line.starts_with(beginning)), "{beginning} is in\n{text}");
}

#[test]
fn the_keys_become_lines_of_the_unit() {
    if !root_or_skip() {
        return;
    }
    let text = unit(&plain());
    for line in [
        format!("ExecStart={} run", service_subject().display()),
        "WorkingDirectory=/".into(),
        "UMask=0022".into(),
        "RuntimeDirectory=subject".into(),
        "StandardOutput=journal".into(),
        "KillSignal=SIGTERM".into(),
        "TimeoutStopSec=10s".into(),
        "ProtectSystem=strict".into(),
        "ProtectHome=yes".into(),
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6".into(),
    ] {
        has(&text, &line);
    }
    // A setup may take as long as with `start`.
    has(&text, "TimeoutStartSec=infinity");
    for beginning in ["User=", "Restart=", "RootDirectory=", "ReadWritePaths="] {
        lacks(&text, beginning);
    }
    let subject = plain()
        .key("user", "nobody")
        .key("group", "daemon")
        .key("working_directory", "/srv/a place")
        .key("umask", "7")
        .key("stdout", "/var/log/100%.log")
        .key("stop_signal", "SIGQUIT")
        .key("stop_timeout", "90000")
        .key("wait_ready", "2500")
        .key("context", "")
        .key("respawn", "on-failure")
        .key("respawn_delay", "500")
        .key("respawn_limit", "4");
    let text = unit(&subject);
    for line in [
        "User=nobody",
        "Group=daemon",
        "WorkingDirectory=/srv/a place",
        "UMask=0007",
        "StandardOutput=append:/var/log/100%%.log",
        "KillSignal=SIGQUIT",
        "SuccessExitStatus=SIGQUIT",
        "TimeoutStopSec=1m 30s",
        "TimeoutStartSec=2s 500ms",
        "Restart=on-failure",
        "RestartSec=500ms",
        "StartLimitBurst=4",
        "StartLimitIntervalSec=8s",
        "ReadWritePaths=-/var/log",
        "ReadWritePaths=\"-/srv/a place\"",
    ] {
        has(&text, line);
    }
}

#[test]
fn the_type_of_the_unit_follows_the_installed_systemd() {
    let subject = plain();
    let versions =
        [("253 (253.6-1)", "notify-reload"), ("257~rc2", "notify-reload"), ("252", "notify"), ("", "notify")];
    for (version, service_type) in versions {
        // A `systemctl` of the test's own answers for another systemd. Without any answer, there is none.
        let script = format!("#!/bin/sh\necho 'systemd {version}'\n");
        fs::write(subject.path("systemctl"), script).expect("a script");
        fs::set_permissions(subject.path("systemctl"), fs::Permissions::from_mode(0o755))
            .expect("permissions");
        let mut command = subject.action("unit");
        command.env("PATH", subject.path(""));
        let output = command.output().expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("text");
        has(&text, &format!("Type={service_type}"));
        match service_type {
            "notify" => has(&text, "ExecReload=/bin/kill -HUP $MAINPID"),
            _ => lacks(&text, "ExecReload="),
        }
    }
}

#[test]
fn keys_that_name_files_keep_these_reachable() {
    if !root_or_skip() {
        return;
    }
    for (key, value, line, absent) in [
        ("stdout", "/home/alpha/log", "ProtectHome=read-only", "ProtectHome=yes"),
        ("stdout", "/home/alpha/log", "ReadWritePaths=-/home/alpha", "StandardOutput=journal"),
        ("stdout", "/root/log", "ReadWritePaths=-/root", "ProtectHome="),
        ("stdout", "/var/tmp/log", "ReadWritePaths=-/var/tmp", "PrivateTmp="),
        ("stdin", "/dev/ttyS0", "StandardInput=file:/dev/ttyS0", "PrivateDevices="),
        ("pidfile", "/run/alpha/beta.pid", "RuntimeDirectory=alpha", "ReadWritePaths="),
        ("pidfile", "/var/run/alpha/beta.pid", "RuntimeDirectory=alpha", "ReadWritePaths="),
        ("pidfile", "/run/beta.pid", "ReadWritePaths=-/run", "RuntimeDirectory="),
        ("pidfile", "/run/a:b/beta.pid", "ReadWritePaths=-/run/a:b", "RuntimeDirectory="),
    ] {
        let text = unit(&plain().key(key, value));
        has(&text, line);
        lacks(&text, absent);
    }
    let subject = plain().key("pidfile", "/run/beta.pid").key("user", "nobody");
    subject.act("unit").fails(
        1,
        "subject: failed to make a unit: systemd would start the daemon as user nobody, who cannot make the pidfile \
         /run/beta.pid; leave out the key `pidfile`, and systemd makes a directory for it",
    );
}

#[test]
fn a_unit_that_systemd_would_refuse_is_not_printed() {
    let subject = plain();
    for name in ["it's", "a\"b", "back\\slash", "two\nlines"] {
        let program = subject.path(name);
        assert!(Command::new("cp").arg(service_subject()).arg(&program).status().expect("cp runs").success());
        let output = subject.command(&program).arg("unit").output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(text.contains("systemd starts no program whose path has"), "{text}");
    }
    for name in ["a@b", "with space", "été", ".hidden", "-dash"] {
        let answer = plain().key("name", name).act("unit");
        assert_eq!(answer.status.code(), Some(1));
        assert!(answer.stderr.contains("a unit has a name of at most 200"), "{}", answer.stderr);
    }
    let answer = plain().key("stdout", "/var/log/ends in a space ").act("unit");
    assert!(root_or_skip() && answer.stderr.contains("of the key `stdout`"), "{}", answer.stderr);
}

#[test]
fn an_ordinary_users_unit_has_only_lines_that_its_systemd_can_obey() {
    if !root_or_skip() || !tool_or_skip(&["setpriv", "--version"]) {
        return;
    }
    let subject = plain().open_to_all();
    let answer =
        subject.wrapped(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], "unit").output();
    let text = String::from_utf8(answer.expect("the program runs").stdout).expect("text");
    has(&text, "WantedBy=default.target");
    has(&text, "NoNewPrivileges=yes");
    for beginning in ["ProtectSystem=", "CapabilityBoundingSet=", "RuntimeDirectory=", "User="] {
        lacks(&text, beginning);
    }
}

#[test]
fn a_timer_needs_a_period() {
    let output = plain().action("unit").arg("--timer").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("subject: failed to make a unit: a timer is for a repeating daemon"), "{text}");
}

/// Writes the two units that `unit --timer` has printed.
fn write_timer(text: &str, directory: &Path) {
    let (service, timer) = text.split_once("# subject.timer\n").expect("two units");
    fs::write(directory.join(UNIT), service).expect("a unit");
    fs::write(directory.join("subject.timer"), timer).expect("a unit");
}

#[test]
fn the_timer_of_a_cron_expression_has_its_calendar_events() {
    if !root_or_skip() || !tool_or_skip(&["systemd-analyze", "--version"]) {
        return;
    }
    for catch_up in [false, true] {
        let subject = plain().key("cron", "30 3 1 * MON-FRI").key("timezone", "Europe/Berlin");
        let subject = subject.key("jitter", "90000").key("user", "daemon");
        let subject = if catch_up { subject.key("catch_up", "") } else { subject };
        let output = subject.action("unit").arg("--timer").output().expect("the program runs");
        let text = String::from_utf8(output.stdout).expect("text");
        for line in [
            "OnCalendar=*-*-1 3:30:00 Europe/Berlin",
            "OnCalendar=Mon..Fri *-*-* 3:30:00 Europe/Berlin",
            "RandomizedDelaySec=1m 30s",
        ] {
            has(&text, line);
        }
        for line in ["Persistent=true", "StateDirectory=subject"] {
            assert_eq!(text.lines().any(|other| other == line), catch_up, "{line} in\n{text}");
        }
        write_timer(&text, &subject.path(""));
        let files = [UNIT, "subject.timer"].map(|name| subject.path(name));
        let output = Command::new("systemd-analyze").arg("verify").args(files).output().expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaint.is_empty(), "{complaint}\n{text}");
    }
    let answer = plain().key("cron", "0 0 15W * *").action("unit").arg("--timer").output();
    let complaint = String::from_utf8(answer.expect("the program runs").stderr).expect("text");
    assert!(
        complaint.contains("systemd has no calendar event for the cron expression \"0 0 15W * *\""),
        "{complaint}"
    );
}

#[test]
fn the_file_of_the_last_success_stays_writable() {
    if !root_or_skip() {
        return;
    }
    let subject = plain().key("every", "1000").key("catch_up", "").key("state", "/srv/a place/last");
    let text = unit(&subject);
    has(&text, "ReadWritePaths=\"-/srv/a place\"");
    lacks(&text, "StateDirectory=");
}

#[test]
fn systemd_analyze_has_no_objection_to_a_unit_with_every_key() {
    if !root_or_skip() || !tool_or_skip(&["systemd-analyze", "--version"]) {
        return;
    }
    let subject = plain().key("stdout", "/var/log/subject.log").key("wait_ready", "2500").key("context", "");
    let subject = subject.key("respawn", "always").key("stop_signal", "SIGUSR1").key("user", "daemon");
    let file = subject.path(UNIT);
    fs::write(&file, unit(&subject)).expect("a unit");
    for words in [&["verify"][..], &["security", "--offline=yes", "--threshold=20"]] {
        let output = Command::new("systemd-analyze").args(words).arg(&file).output().expect("it runs");
        let (text, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && complaint.is_empty(), "{words:?}: {text}{complaint}");
    }
}

// ---- the machine ----

/// A daemon in a machine, by a unit whose keys are those of the variables.
struct Service {
    machine: Machine,
    program: PathBuf,
    variables: String,
    /// Every answer in JSON.
    json: String,
}

/// Makes a daemon of less than a minute look as if it had just been started.
fn young(text: &str) -> String {
    (1..60).fold(text.to_owned(), |text, age| text.replace(&format!("up {age}s"), "up 0s"))
}

impl Service {
    /// Makes one with keys such as `("body", "park")`, or skips the test.
    fn or_skip(keys: &[(&str, &str)]) -> Option<Self> {
        let machine = Machine::start_or_skip()?;
        let program = machine.bring(service_subject(), "subject");
        let mut service = Self { machine, program, variables: String::new(), json: String::new() };
        service.set(keys);
        Some(service)
    }

    /// Sets the keys, for the unit and for the actions.
    fn set(&mut self, keys: &[(&str, &str)]) {
        let variable = |(key, value): &(&str, &str)| format!("'SUBJECT_{}={value}'", key.to_uppercase());
        self.variables = keys.iter().map(variable).collect::<Vec<_>>().join(" ");
        let file = self.machine.path("keys.conf");
        fs::write(&file, format!("[Service]\nEnvironment={}\n", self.variables)).expect("a file");
        let directory = "/run/systemd/system/subject.service.d";
        self.machine.does(&format!("mkdir -p {directory} && cp {} {directory}/", file.display()));
    }

    /// Returns a line of shell that runs an action.
    fn line(&self, action: &str) -> String {
        format!("env {} '{}' {action}", self.variables, self.program.display())
    }

    /// Runs an action in the machine.
    #[track_caller]
    fn act(&mut self, action: &str) -> (i32, String) {
        let line = self.line(action);
        self.machine.shell(&line)
    }

    /// Fails unless an action answers so, with `PID` for the number of the main process.
    #[track_caller]
    fn answers(&mut self, action: &str, code: i32, text: &str) {
        let (got_code, got) = self.act(action);
        let pid = self.main_pid();
        assert_eq!(
            (got_code, young(got.trim_end()).replace(&pid, "PID").as_str()),
            (code, text),
            "{action}, pid {pid}"
        );
    }

    /// Stops the daemon through systemd.
    #[track_caller]
    fn stops(&mut self) {
        let pid = self.main_pid();
        let expected = format!("subject: stopped through systemd (pid {pid}; unit subject.service)\n");
        assert_eq!(self.act("stop"), (0, expected));
    }

    /// Puts the unit, as `unit` prints it, where an administrator would.
    #[track_caller]
    fn set_up(&mut self) {
        let line = self.line("unit");
        self.machine.does(&format!("{line} >{PATH} && systemctl daemon-reload"));
    }

    fn main_pid(&mut self) -> String {
        self.machine.show(UNIT, "MainPID")
    }

    /// Asks for an answer in JSON, and expects a unit of this name.
    #[track_caller]
    fn json(&mut self, action: &str, code: i32, unit: Option<&str>) -> Value {
        let (got_code, line) = self.act(&format!("--json {action}"));
        assert_eq!(got_code, code, "{line}");
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value.get("unit").map(|unit| unit.as_str().expect("text")), unit, "{line}");
        self.json.push_str(&line);
        value
    }

    /// Returns a line of `/proc/PID/status` of the main process.
    fn status(&mut self, name: &str) -> String {
        let pid = self.main_pid();
        let text = self.machine.does(&format!("grep ^{name}: /proc/{pid}/status"));
        text.trim_start_matches(name).trim_start_matches(':').trim().to_owned()
    }
}

#[test]
fn systemd_reads_the_command_line_as_it_was() {
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    let path = service.machine.bring(service_subject(), "my program, 100% $HOME");
    service.program = path;
    let words = r#"'a b' %h '$HOME' '${HOME}' "it's" '"q"' 'back\slash' ';' '' é $'two\nlines' '#' '@x' -"#;
    let line = service.line(&format!("unit {words}"));
    service.machine.does(&format!("{line} >{PATH} && systemctl daemon-reload && systemctl start subject"));
    let expected = format!("printf '%s\\0' '{}' run {words} | od -An -tx1", service.program.display());
    let expected = service.machine.does(&expected);
    let pid = service.main_pid();
    assert_eq!(service.machine.does(&format!("od -An -tx1 /proc/{pid}/cmdline")), expected);
    service.answers("status", 0, &running("journalctl -u subject"));
    service.machine.does("systemctl stop subject");
    service.machine.complains(UNIT, &[]);
}

/// Returns the answer of `status` about a daemon whose output goes to the journal.
fn running(journal: &str) -> String {
    let status = "subject: running (pid PID, up 0s; unit subject.service)";
    format!("{status}\nsubject: log in the journal ({journal})")
}

#[test]
fn a_unit_starts_the_daemon_as_its_user_and_with_its_keys() {
    let keys = [
        ("body", "until /run/subject/go; fail no disk"),
        ("context", ""),
        ("user", "nobody"),
        ("umask", "27"),
    ];
    let keys =
        [&keys[..], &[("group", "mail"), ("working_directory", "/srv"), ("stdout", "/var/log/subject")]]
            .concat();
    let Some(mut service) = Service::or_skip(&keys) else { return };
    service.machine.does("mkdir /var/log");
    service.set_up();
    service.machine.does("systemctl start subject");
    assert_eq!(service.status("Uid"), ["65534"; 4].join("\t"));
    assert_eq!(service.status("Gid"), ["8"; 4].join("\t"));
    assert_eq!(service.status("Umask"), "0027");
    assert_eq!(service.status("CapBnd"), "0".repeat(16));
    assert_eq!(service.status("NoNewPrivs"), "1");
    let pid = service.main_pid();
    assert_eq!(service.machine.does(&format!("readlink /proc/{pid}/cwd")), "/srv\n");
    assert_eq!(service.machine.does("cat /run/subject/subject.pid"), format!("{pid}\n"));
    service.answers("start", 1, "subject: already running (pid PID)");
    service.machine.does("touch /run/subject/go");
    service.machine.comes_to_show(UNIT, "ActiveState", "failed");
    let (code, text) = service.act("status");
    assert!(code == 1 && text.ends_with("ago (exit 1): no disk: the cause\n"), "{text}");
    let last = service.machine.does("tail -n 1 /var/log/subject");
    assert_eq!(unstamped(&last), "subject: no disk: the cause\n");
}

#[test]
fn systemd_sets_the_accounts_however_they_are_given() {
    // Without the privileges of root, `run` could not change them.
    let Some(mut service) = Service::or_skip(&[]) else { return };
    let body = [("body", "park")];
    let jailed = [("user", "daemon"), ("group", "mail"), ("chroot", "/srv/jail")];
    service.machine.does("mkdir /srv/jail && mkdir -p /run/systemd/system/subject.service.d");
    // The libraries of a program that was built by Debian's compiler for 32-bit x86.
    let libraries = "printf '[Service]\\nBindReadOnlyPaths=-/usr/i686-linux-gnu\\n'";
    service.machine.does(&format!("{libraries} >/run/systemd/system/subject.service.d/libraries.conf"));
    let cases = [
        (&jailed[..1], "1", "1"),
        (&jailed[1..2], "0", "8"),
        (&[("user", "root")], "0", "0"),
        (&jailed, "1", "8"),
    ];
    for (accounts, uid, gid) in cases {
        service.set(&[&body[..], accounts].concat());
        service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
        assert_eq!(
            (service.status("Uid"), service.status("Gid")),
            ([uid; 4].join("\t"), [gid; 4].join("\t"))
        );
        service.stops();
    }
    service.machine.complains(UNIT, &[]);
}

#[test]
fn systemd_and_not_a_supervisor_respawns_under_a_unit() {
    let keys = [("body", "await"), ("context", ""), ("respawn", "on-failure"), ("respawn_delay", "500")];
    let Some(mut service) = Service::or_skip(&[&keys[..], &[("respawn_limit", "3")]].concat()) else {
        return;
    };
    service.set_up();
    service.machine.does("systemctl start subject");
    let first = service.main_pid();
    // There is no child: the main process itself has the body.
    assert_eq!(service.machine.does(&format!("cat /proc/{first}/task/*/children")), "");
    service.machine.does(&format!("kill -KILL {first}"));
    service.machine.comes_to_show(UNIT, "NRestarts", "1");
    service.machine.comes_to_show(UNIT, "SubState", "running");
    assert_ne!(service.main_pid(), first);
    service.stops();
    let failing = [("body", "fail no disk"), ("stdout", "/var/subject.log")];
    service.set(&[&keys[1..], &failing, &[("respawn_limit", "3")]].concat());
    service.set_up();
    service.machine.does("systemctl reset-failed subject; systemctl start subject; true");
    service.machine.comes_to_show(UNIT, "ActiveState", "failed");
    assert_eq!(service.machine.does("grep -c 'no disk' /var/subject.log"), "3\n");
}

#[test]
fn a_body_that_fails_too_often_stays_ended_however_short_the_pauses_are() {
    // systemd may make each pause longer by a quarter of a second.
    let keys = [("body", "sleep 250; fail no disk"), ("context", ""), ("respawn", "on-failure")];
    let more = [("respawn_delay", "100"), ("respawn_limit", "3"), ("stdout", "/var/subject.log")];
    let Some(mut service) = Service::or_skip(&[&keys[..], &more].concat()) else { return };
    service.set_up();
    service.machine.does("systemctl start subject; true");
    service.machine.comes_to_show(UNIT, "ActiveState", "failed");
    assert_eq!(service.machine.does("grep -c 'no disk' /var/subject.log"), "3\n");
}

#[test]
fn a_chroot_is_the_units_root_directory_which_run_does_not_enter_again() {
    let keys = [("body", "directory; await"), ("chroot", "/srv/jail"), ("working_directory", "/inside")];
    let Some(mut service) = Service::or_skip(&[&keys[..], &[("stdout", "/var/log")]].concat()) else {
        return;
    };
    service.machine.does("mkdir -p /srv/jail/inside && touch /srv/jail/mark");
    // The libraries of a program that was built by Debian's compiler for 32-bit x86.
    let libraries = "printf '[Service]\\nBindReadOnlyPaths=-/usr/i686-linux-gnu\\n'";
    service.machine.does(&format!("{libraries} >/run/systemd/system/subject.service.d/libraries.conf"));
    service.set(&[&keys[..], &[("stdout", "/var/subject.log"), ("context", "")]].concat());
    service.set_up();
    service.machine.does("systemctl start subject");
    let pid = service.main_pid();
    assert_eq!(service.machine.does(&format!("ls /proc/{pid}/root/mark | wc -l")), "1\n");
    assert_eq!(service.machine.does(&format!("readlink /proc/{pid}/cwd")), "/inside\n");
    service.machine.comes_to_print("cat /var/subject.log", "/inside\n");
    let status = "subject: running (pid PID, up 0s; unit subject.service)\nsubject: log /var/subject.log";
    service.answers("status", 0, status);
    service.answers("reload", 0, "subject: reloaded through systemd (pid PID; unit subject.service)");
    service.stops();
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_timer_starts_each_run_of_a_repeating_daemon() {
    let keys = [("body", "identify; sleep 30"), ("every", "100"), ("stdout", "/var/subject.log")];
    let waiting = [("wait_ready", "10"), ("context", "")];
    let Some(mut service) = Service::or_skip(&[&keys[..], &waiting].concat()) else { return };
    let line = service.line("unit --timer");
    let text = service.machine.does(&line);
    let from = service.machine.path("");
    write_timer(&text, &from);
    service.machine.does(&format!("cp {0}/subject.service {0}/subject.timer {UNITS}", from.display()));
    // Before the first run, systemd has not made the directory of the pidfile yet.
    assert_eq!(service.machine.does("ls /run/subject 2>/dev/null | wc -l"), "0\n");
    let once = service.line("once").replace("WAIT_READY=10'", "WAIT_READY=10000'");
    service.machine.does(&once);
    assert_eq!(service.machine.does("stat -c %a /run/subject"), "755\n");
    service.machine.does("systemctl daemon-reload && systemctl enable --now subject.timer");
    // Each run is a process of its own, and systemd by itself allows five in ten seconds.
    service.machine.comes_to_print("[ $(sort -u /var/subject.log | wc -l) -ge 12 ] && echo many", "many\n");
    service.machine.does("systemctl stop subject.timer");
    service.machine.comes_to_show(UNIT, "ActiveState", "inactive");
    assert_eq!(service.machine.does("sort /var/subject.log | uniq -d"), "");
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_process_that_a_timer_starts_does_its_run_at_once() {
    // systemd has waited for the time, and added the delay and the jitter.
    let rules = [&[("every", "3600000"), ("delay", "3600000")][..], &[("cron", "0 0 29 2 *")]];
    let keys =
        [("body", "print ran"), ("jitter", "3600000"), ("catch_up", ""), ("stdout", "/var/subject.log")];
    let Some(mut service) = Service::or_skip(&keys) else { return };
    for (rule, log) in rules.into_iter().zip(["ran\n", "ran\nran\n"]) {
        service.set(&[&keys[..], rule].concat());
        let line = service.line("unit --timer");
        let text = service.machine.does(&line);
        let from = service.machine.path("");
        write_timer(&text, &from);
        service.machine.does(&format!("cp {0}/subject.service {0}/subject.timer {UNITS}", from.display()));
        service.machine.does("systemctl daemon-reload && systemctl start subject.service");
        assert_eq!(service.machine.does("cat /var/subject.log"), log);
        assert_eq!(service.machine.does("ls /var/lib/subject"), "state\n");
    }
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_service_takes_calls_and_keeps_its_last_success() {
    let keys = [("body", "print ran"), ("every", "3600000"), ("catch_up", ""), ("user", "daemon")];
    let Some(mut service) = Service::or_skip(&[&keys[..], &[("stdout", "/var/subject.log")]].concat()) else {
        return;
    };
    service.set_up();
    service.machine.does("systemctl start subject");
    service.machine.comes_to_print("cat /var/subject.log", "ran\n");
    service.answers("once", 0, "subject: has done a run (pid PID)");
    assert_eq!(service.machine.does("cat /var/subject.log"), "ran\nran\n");
    service.machine.comes_to_print("stat -c %U /var/lib/subject/state", "daemon\n");
    // The next run is due in an hour, also after a restart.
    service.machine.does("systemctl restart subject");
    service.stops();
    assert_eq!(service.machine.does("grep -c ran /var/subject.log"), "2\n");
    service.machine.complains(UNIT, &[]);
}

#[test]
fn install_makes_a_service_that_all_actions_go_through() {
    let Some(mut service) = Service::or_skip(&[("body", "await"), ("context", "")]) else { return };
    let installed = format!("subject: installed (pid PID; unit {PATH})");
    service.answers("uninstall", 0, "subject: not installed");
    service.answers("install", 0, &installed);
    let first = service.main_pid();
    assert_eq!(service.machine.show(UNIT, "UnitFileState"), "enabled");
    assert_eq!(service.machine.does(&format!("stat -c %a {PATH}")), "644\n");
    // The second time changes nothing.
    service.answers("install", 0, &installed);
    assert_eq!(service.main_pid(), first);
    service.answers("status", 0, &running("journalctl -u subject"));
    service.answers("start", 1, "subject: already running (pid PID)");
    service.answers("ensure", 0, "subject: already running (pid PID; unit subject.service)");
    service.answers("reload", 0, "subject: reloaded through systemd (pid PID; unit subject.service)");
    service.answers("restart", 0, "subject: restarted through systemd (pid PID; unit subject.service)");
    let second = service.main_pid();
    assert_ne!(second, first);
    service.stops();
    service.answers("stop", 0, "subject: not running");
    service.answers("status", 3, "subject: not running");
    service.answers("reload", 1, "subject: not running");
    service.answers("start", 0, "subject: started through systemd (pid PID; unit subject.service)");
    service.stops();
    service.answers("ensure", 0, "subject: started through systemd (pid PID; unit subject.service)");
    // Another text is another unit, with which the daemon starts anew.
    let third = service.main_pid();
    service.set(&[("body", "await"), ("context", ""), ("stop_timeout", "5000")]);
    service.answers("install", 0, &installed);
    assert_ne!(service.main_pid(), third);
    assert_eq!(service.machine.show(UNIT, "TimeoutStopUSec"), "5s");
    service.answers("uninstall", 0, &format!("subject: uninstalled (unit {PATH})"));
    service.answers("uninstall", 0, "subject: not installed");
    assert_eq!(service.machine.does("ls -A /etc/systemd/system; ls -d /run/subject 2>/dev/null; true"), "");
    // Without a unit, the daemon is an ordinary one again.
    let (code, text) = service.act("start");
    assert!(code == 0 && text.starts_with("subject: started (pid "), "{text}");
    let (code, text) = service.act("install");
    assert!(code == 1 && text.contains("the daemon is running without systemd (pid "), "{text}");
    let (code, text) = service.act("stop");
    assert!(code == 0 && text.starts_with("subject: stopped (pid "), "{text}");
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_name_that_systemd_escapes_is_that_of_the_service() {
    // The control group of `_subject.service` is `__subject.service`, and that of `io.service` is `_io.service`.
    let Some(mut service) = Service::or_skip(&[]) else { return };
    for name in ["_subject", "io"] {
        let keys = format!("SUBJECT_NAME={name} SUBJECT_BODY=park SUBJECT_RESPAWN=always");
        let directory = format!("/run/systemd/system/{name}.service.d");
        service.machine.does(&format!("mkdir {directory}; echo [Service] >{directory}/keys.conf"));
        service.machine.does(&format!("echo Environment={keys} >>{directory}/keys.conf"));
        service.variables = keys;
        let (code, text) = service.act("install");
        assert!(code == 0, "{text}");
        let pid = service.machine.show(&format!("{name}.service"), "MainPID");
        let expected = format!("{name}: running (pid {pid}, up 0s; unit {name}.service)");
        assert_eq!(service.act("status").1.lines().next().map(young), Some(expected));
        // Without systemd, a stop would be an end after which systemd starts the daemon again.
        let expected = format!("{name}: stopped through systemd (pid {pid}; unit {name}.service)\n");
        assert_eq!(service.act("stop"), (0, expected));
        assert_eq!(service.machine.show(&format!("{name}.service"), "ActiveState"), "inactive");
    }
}

#[test]
fn a_new_program_behind_the_same_unit_is_started() {
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    let installed = format!("subject: installed (pid PID; unit {PATH})");
    service.answers("install", 0, &installed);
    let first = service.main_pid();
    let program = service.program.display().to_string();
    service.machine.does(&format!("cp {program} {program}.new && mv {program}.new {program}"));
    service.answers("install", 0, &installed);
    let second = service.main_pid();
    assert_ne!(second, first);
    service.answers("install", 0, &installed);
    assert_eq!(service.main_pid(), second);
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_link_to_a_newer_program_leaves_the_daemon_to_its_unit() {
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    let program = service.program.display().to_string();
    service.machine.does(&format!("for n in 1 2 3; do cp {program} {program}-$n; done"));
    let lead = |service: &mut Service, number: u32| {
        service.machine.does(&format!("ln -sfn {program}-{number} /srv/subject"));
    };
    let running = |service: &mut Service, number: u32| {
        let pid = service.main_pid();
        assert_eq!(
            service.machine.does(&format!("readlink /proc/{pid}/exe")),
            format!("{program}-{number}\n")
        );
    };
    service.program = "/srv/subject".into();
    lead(&mut service, 1);
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    lead(&mut service, 2);
    service.answers("start", 1, "subject: already running (pid PID)");
    service.answers("restart", 0, "subject: restarted through systemd (pid PID; unit subject.service)");
    running(&mut service, 2);
    lead(&mut service, 3);
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    running(&mut service, 3);
    lead(&mut service, 1);
    service.stops();
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_program_behind_a_link_stays_visible() {
    // The link is kept, and its target is in a home directory.
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    let program = service.program.display().to_string();
    service.machine.does(&format!("mkdir /home/bin && cp {program} /home/bin/subject"));
    service.machine.does("ln -s /home/bin/subject /usr/local/bin/subject");
    service.program = "/usr/local/bin/subject".into();
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    assert_eq!(
        service.machine.does(&format!("grep ^ExecStart= {PATH}")),
        "ExecStart=/usr/local/bin/subject run\n"
    );
    service.stops();
    service.machine.complains(UNIT, &[]);
}

#[test]
fn a_reload_reopens_the_logs_that_the_unit_has_opened() {
    let print = "print one; event; print two; event; print three; await";
    for children in ["leave", "end"] {
        let keys =
            [("body", print), ("context", ""), ("stdout", "/var/log/subject.log"), ("children", children)];
        let Some(mut service) = Service::or_skip(&keys) else { return };
        service.machine.does("mkdir /var/log");
        service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
        service.machine.comes_to_print("cat /var/log/subject.log", "one\n");
        service.machine.does("mv /var/log/subject.log /var/log/subject.log.1");
        service.answers("reload", 0, "subject: reloaded through systemd (pid PID; unit subject.service)");
        service.machine.comes_to_print("cat /var/log/subject.log", "Reload\ntwo\n");
        // A person has sent the output elsewhere, where it stays.
        let drop_in = "printf '[Service]\\nStandardOutput=append:/var/log/other\\n'";
        service.machine.does(&format!("{drop_in} >/run/systemd/system/subject.service.d/other.conf"));
        service
            .machine
            .does("systemctl daemon-reload && systemctl restart subject && systemctl reload subject");
        service.machine.comes_to_print("cat /var/log/other", "one\nReload\ntwo\n");
    }
}

#[test]
fn a_reload_through_systemd_prints_the_bodys_error() {
    let body = "event; unloaded no such port; event; unloaded no such port; await";
    let Some(mut service) = Service::or_skip(&[("body", body), ("context", "")]) else { return };
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    service.answers("reload", 1, "subject: failed to reload: no such port: the cause");
    // A process of the unit asks for the reload itself, and not systemd, which waits for it.
    let reload = service.line("reload");
    let drop_in = format!("[Service]\\nExecReload=\\nExecReload=/usr/bin/{reload}\\n");
    service.machine.does(&format!("printf \"{drop_in}\" >/run/systemd/system/subject.service.d/reload.conf"));
    let (code, text) = service.machine.shell("systemctl daemon-reload && systemctl reload subject");
    assert_eq!(code, 1, "{text}");
    service.stops();
}

#[test]
fn a_check_has_the_arguments_of_the_unit() {
    let keys = [("body", "park"), ("check", "need alpha")];
    let Some(mut service) = Service::or_skip(&keys) else { return };
    service.answers("install", 1, "subject: failed to install: no argument alpha: the cause");
    assert_eq!(service.machine.does("ls -A /etc/systemd/system"), "");
    service.answers("install alpha", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    let first = service.main_pid();
    // The caller's own arguments do not count.
    service.answers("restart", 0, "subject: restarted through systemd (pid PID; unit subject.service)");
    let second = service.main_pid();
    assert_ne!(second, first);
    service.machine.does(&format!("sed -i 's/ run alpha/ run beta/' {PATH} && systemctl daemon-reload"));
    service.answers("restart alpha", 1, "subject: failed to start: no argument alpha: the cause");
    assert_eq!(service.main_pid(), second);
    service.stops();
    service.answers("start alpha", 1, "subject: failed to start: no argument alpha: the cause");
}

#[test]
fn a_failure_under_systemd_is_told_by_the_daemons_own_reason() {
    let keys = [("body", "fail the port is taken"), ("context", ""), ("wait_ready", "5000")];
    let Some(mut service) = Service::or_skip(&keys) else { return };
    let reason = format!("the unit {PATH} is installed, but the daemon fails: the port is taken");
    service.answers("install", 1, &format!("subject: failed to install: {reason}: the cause"));
    let (code, text) = service.act("status");
    assert!(code == 1 && text.contains("(exit 1): the port is taken"), "{text}");
    // The pidfile has the time in whole seconds, and the next one may begin between the failure and the answer.
    let millisecond = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_millis();
    for late in [800, 850, 900, 950] {
        wait_until("the end of a second", || (late..late + 20).contains(&millisecond()));
        service.answers("start", 1, "subject: failed to start: the port is taken: the cause");
    }
    service.answers("uninstall", 0, &format!("subject: uninstalled (unit {PATH})"));
}

#[test]
fn a_relative_path_in_the_unit_is_warned_of() {
    let Some(mut service) = Service::or_skip(&[("body", "await"), ("context", "")]) else { return };
    let line = service.line("unit x=1 --config=own.conf");
    let warning = "subject: warning: the unit starts the program in /, where `own.conf` is another file";
    let lines = |service: &mut Service| service.machine.does(&format!("cd /tmp && {line} 2>&1 >/dev/null"));
    assert_eq!(lines(&mut service), "");
    service.machine.does("touch /tmp/own.conf");
    let text = lines(&mut service);
    assert!(text.starts_with(warning), "{text}");
}

#[test]
fn a_stop_through_systemd_says_if_it_had_to_kill() {
    let keys = [("body", "park"), ("context", ""), ("stop_timeout", "200"), ("stop_signal", "SIGINT")];
    let Some(mut service) = Service::or_skip(&keys) else { return };
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    let pid = service.main_pid();
    let killed = format!(
        "subject: killed through systemd (pid {pid}; unit subject.service): did not exit within 200ms of SIGINT\n"
    );
    assert_eq!(service.act("stop"), (0, killed));
    service.answers("start", 0, "subject: started through systemd (pid PID; unit subject.service)");
}

#[test]
fn an_ordinary_user_installs_a_service_of_the_users_own_systemd() {
    let Some(mut service) = Service::or_skip(&[]) else { return };
    let machine = &mut service.machine;
    // What `user@.service` of a whole machine does.
    let manager = "[Service]\nType=notify\nUser=daemon\nDelegate=yes\nEnvironment=XDG_RUNTIME_DIR=/run/user/1 \
                   HOME=/home/alpha SYSTEMD_UNIT_PATH=/home/alpha/.config/systemd/user:/run/systemd/system\n\
                   ExecStart=/lib/systemd/systemd --user\n";
    fs::write(machine.path("manager"), manager).expect("a unit");
    let from = machine.path("manager");
    machine.does(&format!(
        "cp {} /run/systemd/system/manager.service && systemctl daemon-reload",
        from.display()
    ));
    machine.does("install -d -o daemon -m 700 /run/user/1 /home/alpha && systemctl start manager");
    let bare =
        "setpriv --reuid=1 --regid=1 --clear-groups env HOME=/home/alpha SUBJECT_CONTEXT= SUBJECT_BODY=await";
    let user = &format!("{bare} XDG_RUNTIME_DIR=/run/user/1");
    let file = "/home/alpha/.config/systemd/user/subject.service";
    // Without its bus, systemd cannot be reached, and the daemon remains an ordinary one.
    let program = service.program.display().to_string();
    let (code, text) = machine.shell(&format!("{bare} {program} install"));
    assert!(code == 1 && text.contains("`systemctl --user daemon-reload`"), "{text}");
    machine.does(&format!("{bare} {program} start && {user} {program} stop && ! ls {file}"));
    // The keys are in the environment, which the unit has by a drop-in.
    machine
        .does(&format!("{user} mkdir -p {file}.d && cp /run/systemd/system/subject.service.d/* {file}.d/"));
    let keys = "printf '[Service]\\nEnvironment=SUBJECT_CONTEXT= SUBJECT_BODY=await\\n'";
    machine.does(&format!("{keys} >{file}.d/keys.conf"));
    journalctl(machine, "printf '%s\\n' \"$@\"");
    let mut act = |action: &str| {
        let machine = &mut service.machine;
        let (code, text) = machine.shell(&format!("{user} {program} {action}"));
        let pid = machine.shell(&format!("{user} systemctl --user show --value -p MainPID subject")).1;
        (code, young(text.trim()).replace(pid.trim(), "PID"))
    };
    assert_eq!(act("install"), (0, format!("subject: installed (pid PID; unit {file})")));
    assert_eq!(act("status"), (0, running("journalctl --user -u subject")));
    assert_eq!(
        act("reload"),
        (0, "subject: reloaded through systemd (pid PID; unit subject.service)".into())
    );
    assert_eq!(
        act("restart"),
        (0, "subject: restarted through systemd (pid PID; unit subject.service)".into())
    );
    // A `journalctl` of the test's own prints its arguments.
    let logs = "logs -n 7 | sed -n 's/^--//p' | paste -s";
    assert_eq!(act(logs), (0, "user-unit=subject.service\tlines=7\toutput=cat\tquiet".into()));
    assert_eq!(act("uninstall"), (0, format!("subject: uninstalled (unit {file})")));
    assert_eq!(act("status"), (3, "subject: not running".into()));
}

#[test]
fn an_ordinary_user_sees_that_the_machines_unit_runs_the_daemon() {
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    let user = "setpriv --reuid=1 --regid=1 --clear-groups env HOME=/home";
    let line = format!("{user} {} status", service.program.display());
    let (code, text) = service.machine.shell(&line);
    let pid = service.main_pid();
    let running =
        format!("subject: running (pid {pid}, up 0s; /run/subject/subject.pid; unit subject.service)\n");
    assert_eq!((code, young(&text)), (0, running + "subject: log in the journal (journalctl -u subject)\n"));
}

// ---- the log ----

/// Puts a shell script in the place of `journalctl`.
fn journalctl(machine: &mut Machine, script: &str) {
    fs::write(machine.path("script"), format!("#!/bin/sh\n{script}\n")).expect("a script");
    let script = machine.path("script");
    machine.does(&format!("install -m 755 {} /usr/local/bin/journalctl", script.display()));
}

#[test]
fn the_log_of_a_service_without_a_file_is_in_the_journal() {
    let print = "print one; event; print two; event; print three; await";
    let Some(mut service) = Service::or_skip(&[("body", print), ("context", "")]) else { return };
    if !service.machine.start_journald_or_skip() {
        return;
    }
    let none = "subject: there is no log: the output is discarded; the key `stdout` makes one, such as `stdout = \
                \"/var/log/example.log\"`\n";
    assert_eq!(service.act("logs"), (2, none.to_owned()));
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    let logs = service.line("logs");
    service.machine.comes_to_print(&format!("{logs} | grep -xE 'one|two'"), "one\n");
    service.answers("status", 0, &running("journalctl -u subject"));
    // Following begins with the last line of the journal, and ends with the program.
    let follow = service.line("logs -n 1 -f");
    let pid = service.machine.does(&format!("{follow} >/run/seen & echo $!"));
    service.machine.comes_to_print("wc -l </run/seen", "1\n");
    service.machine.does("systemctl reload subject");
    service.machine.comes_to_print("grep -x two /run/seen", "two\n");
    service.machine.does(&format!("kill {}", pid.trim()));
    service.machine.comes_to_print("pgrep -c journalctl", "0\n");
    // It ends with its reader, too, although nothing more is written.
    assert_eq!(service.machine.does(&format!("{follow} -n 99 | grep -m 1 -x two")), "two\n");
    service.stops();
    // The daemon need not be running.
    assert_eq!(service.machine.does(&format!("{logs} | grep -xE 'one|two'")), "one\ntwo\n");
    assert_eq!(service.machine.does(&format!("{logs} -n 0")), "");
    // With a key, the log is a file.
    service.set(&[("body", print), ("context", ""), ("stdout", "/var/subject.log")]);
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    service.machine.comes_to_print(&logs.replace("env ", "env SUBJECT_STDOUT=/var/subject.log "), "one\n");
}

#[test]
fn a_log_that_journalctl_cannot_show_is_an_error() {
    let keys = [("body", "print one; await"), ("context", ""), ("stderr", "/var/errors")];
    let Some(mut service) = Service::or_skip(&keys) else { return };
    let note = "subject: standard error goes to /var/errors, which is not shown\n";
    let logs = |service: &mut Service, words: &str| {
        let (code, text) = service.act(&format!("logs{words}"));
        (code, text.replace(note, ""))
    };
    // Not installed, so the file is the log.
    let (code, text) = service.act("logs");
    assert!(code == 1 && text.contains("cannot open the log /var/errors"), "{text}");
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    journalctl(&mut service.machine, "printf '%s\\n' \"$@\"");
    let shown = "--unit=subject.service\n--lines=50\n--output=cat\n--quiet\n";
    assert_eq!(service.act("logs"), (0, format!("{note}{shown}")));
    let shown = "--unit=subject.service\n--lines=all\n--output=cat\n--quiet\n--follow\n";
    assert_eq!(logs(&mut service, " -n 4000000000 -f"), (0, shown.into()));
    journalctl(&mut service.machine, "echo one; echo no permission >&2; exit 1");
    let error = "one\nsubject: failed to show the log: `journalctl -u subject`: no permission\n";
    for words in ["", " -f"] {
        assert_eq!(logs(&mut service, words), (1, error.into()));
    }
    let line = service.line("logs").replace("env ", "env PATH=/nowhere ");
    let (code, text) = service.machine.shell(&line);
    let reason = "there is no `journalctl` in PATH, which shows the log of subject.service; the key `stdout` makes \
                  a log in a file";
    assert_eq!((code, text), (1, format!("{note}subject: failed to show the log: {reason}\n")));
}

// ---- JSON ----

#[test]
fn json_names_the_unit() {
    let Some(mut service) = Service::or_skip(&[("body", "await"), ("context", "")]) else { return };
    let text = service.json("unit", 0, None)["text"].as_str().expect("text").to_owned();
    assert_eq!(text, service.act("unit").1);
    let state = |value: Value| value["state"].as_str().expect("text").to_owned();
    assert_eq!(state(service.json("uninstall", 0, None)), "stopped");
    let installed = service.json("install", 0, Some(UNIT));
    assert_eq!(installed["pid"].to_string(), service.main_pid());
    assert_eq!(installed["pidfile"], "/run/subject/subject.pid");
    for action in ["status", "ensure", "reload", "restart"] {
        assert_eq!(state(service.json(action, 0, Some(UNIT))), "running", "{action}");
    }
    assert_eq!(state(service.json("start", 1, None)), "running");
    assert_eq!(state(service.json("stop", 0, Some(UNIT))), "stopped");
    assert_eq!(state(service.json("status", 3, None)), "stopped");
    assert_eq!(state(service.json("start", 0, Some(UNIT))), "running");
    assert_eq!(state(service.json("uninstall", 0, Some(UNIT))), "stopped");
    if tool_or_skip(&["python3", "-W", "ignore", "-c", "import jsonschema"]) {
        assert_eq!(mistakes(service.json.trim_end()), "");
    }
}

// ---- a newer systemd ----

#[test]
fn systemd_waits_for_a_reload_by_type_notify_reload() {
    let Some(machine) = Machine::start_newer_or_skip() else { return };
    let program = machine.bring(service_subject(), "subject");
    let mut service = Service { machine, program, variables: String::new(), json: String::new() };
    service.machine.does("mkdir /var/log");
    let print = "print one; event; print two; event; print three; await";
    let keys = [("body", print), ("context", ""), ("stdout", "/var/log/subject.log")];
    for children in ["leave", "end"] {
        service.set(&[&keys[..], &[("children", children)]].concat());
        service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
        assert_eq!(service.machine.does(&format!("grep ^Type= {PATH}")), "Type=notify-reload\n");
        service.machine.does(&format!("! grep ExecReload= {PATH}"));
        assert_eq!(service.machine.show(UNIT, "Type"), "notify-reload");
        let pid = service.main_pid();
        service.machine.does("mv /var/log/subject.log /var/log/subject.log.1");
        // By both ways.
        service.machine.does("systemctl reload subject");
        service.machine.comes_to_print("cat /var/log/subject.log", "Reload\ntwo\n");
        service.answers("reload", 0, "subject: reloaded through systemd (pid PID; unit subject.service)");
        service.machine.comes_to_print("cat /var/log/subject.log", "Reload\ntwo\nReload\nthree\n");
        assert_eq!(service.main_pid(), pid);
        assert_eq!(service.machine.show(UNIT, "Result"), "success");
        service.stops();
        service.answers("uninstall", 0, &format!("subject: uninstalled (unit {PATH})"));
        service.machine.does("rm /var/log/*");
    }
    service.machine.complains(UNIT, &[]);
}

// ---- the machine itself ----

#[test]
fn the_machine_sees_no_unit_of_the_distribution_and_no_file_of_the_system() {
    let Some(mut machine) = Machine::start_or_skip() else { return };
    let paths = "systemctl show --property UnitPath --value";
    assert_eq!(machine.does(paths), "/etc/systemd/system /run/systemd/system\n");
    let files = machine.does("systemctl show --property FragmentPath --value '*' | sort -u");
    let is_own = |file: &str| file.is_empty() || file.starts_with("/run/systemd/");
    assert!(files.lines().all(is_own), "{files}");
    let tmpfiles = machine.does("systemctl show --property LoadState --value systemd-tmpfiles-setup.service");
    assert_eq!(tmpfiles, "not-found\n");
    for directory in ["/tmp", "/var", "/run", "/root", "/home", "/etc/systemd/system"] {
        assert_eq!(machine.does(&format!("stat -f -c %T {directory}")), "tmpfs\n", "{directory}");
    }
    // What is left of the system's `/tmp` is the way to the test's own directory.
    let own = machine.path("");
    let own = own.file_name().expect("a name").to_str().expect("text");
    assert_eq!(machine.does("ls -A /tmp"), format!("{own}\n"));
}

#[test]
fn install_touches_no_file_of_others() {
    let Some(mut service) = Service::or_skip(&[("body", "park")]) else { return };
    service.set_up();
    let text = service.machine.does(&format!("cat {PATH}"));
    for action in ["install", "uninstall"] {
        let (code, answer) = service.act(action);
        let reason = format!("failed to {action}: {PATH} was not written by `install`; move it away first\n");
        assert_eq!((code, answer), (1, format!("subject: {reason}")));
    }
    assert_eq!(service.machine.does(&format!("cat {PATH}")), text);
    // A link, as `systemctl mask` makes one.
    service.machine.does(&format!("ln -sf /dev/null {PATH}"));
    let (code, answer) = service.act("install");
    assert!(code == 1 && answer.contains("is not a regular file"), "{answer}");
    assert_eq!(service.machine.does(&format!("readlink {PATH}")), "/dev/null\n");
    // Another program of the same name.
    service.machine.does(&format!("rm {PATH}"));
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
    let (own, other) = (service.program.clone(), service.machine.bring(service_subject(), "other"));
    service.program = other;
    let (code, answer) = service.act("uninstall");
    let reason = format!("{PATH} is the unit of another program, {}; move it away first", own.display());
    assert_eq!((code, answer), (1, format!("subject: failed to uninstall: {reason}\n")));
    service.program = own;
    service.answers("uninstall", 0, &format!("subject: uninstalled (unit {PATH})"));
    // A file in `/etc` would hide the unit of a package, so that is refused too.
    let packages = "/run/systemd/system/subject.service";
    service.machine.does(&format!("printf '[Service]\\nExecStart=/bin/sleep 99\\n' >{packages}"));
    let (code, answer) = service.act("install");
    let reason =
        format!("{packages} is the unit of another program, which {PATH} would replace; give the key `name`");
    assert_eq!((code, answer), (1, format!("subject: failed to install: {reason}\n")));
    assert_eq!(service.machine.does(&format!("ls {UNITS}")), "");
    // The package's own is another matter.
    let unit = service.line("unit");
    service.machine.does(&format!("{unit} >{packages}"));
    service.answers("install", 0, &format!("subject: installed (pid PID; unit {PATH})"));
}

// ---- without systemd ----

#[test]
fn the_default_pidfile_is_in_the_runtime_directory() {
    let subject = Subject::of(service_subject()).without("pidfile");
    let directory = subject.path("run");
    fs::create_dir(&directory).expect("a directory");
    let act = |action: &str| {
        let mut command = subject.action(action);
        command.env("RUNTIME_DIRECTORY", format!("{}:/run/other", directory.display()));
        common::Answer::of(command)
    };
    let daemon = act("start").pid();
    assert_eq!(fs::read_to_string(directory.join("subject.pid")).ok(), Some(format!("{daemon}\n")));
    act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    assert!(!Path::new(&directory).join("subject.pid").exists());
}
