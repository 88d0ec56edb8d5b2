//! The examples `http`, `worker` and `repeat` as services of systemd, by exactly the units that they print.

use std::path::{Path, PathBuf};
use std::process::Command;

use common::machine::Machine;
use common::{root_or_skip, tool_or_skip, wait_for};

use crate::{examples, guide};

const EXAMPLES: [&str; 3] = ["http", "worker", "repeat"];

#[test]
fn systemd_analyze_has_no_objection_to_the_units_of_the_examples() {
    if !root_or_skip() || !tool_or_skip(&["systemd-analyze", "--version"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    for name in EXAMPLES {
        let output = Command::new(examples::program(name)).arg("unit").output().expect("the example runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let file = folder.path().join(format!("{name}.service"));
        std::fs::write(&file, output.stdout).expect("a unit");
        assert_eq!(analyze(&["verify"], &file), (true, String::new()));
        let (is_safe, text) = analyze(&["security", "--offline=yes", "--threshold=20"], &file);
        assert!(is_safe, "{name}: {text}");
    }
}

/// Returns whether `systemd-analyze` succeeds, and what it prints.
fn analyze(words: &[&str], unit: &Path) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(words).arg(unit).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// An example in a machine, with the unit that it prints and `/root` as its home directory.
struct Service {
    machine: Machine,
    program: PathBuf,
    unit: String,
}

impl Service {
    /// Starts it, with arguments for its body, or skips the test.
    fn start_or_skip(name: &str, unit: &str, arguments: &str) -> Option<Self> {
        let mut machine = Machine::start_or_skip()?;
        let program = machine.bring(examples::program(name), name);
        let unit = format!("{unit}.service");
        let file = format!("/etc/systemd/system/{unit}");
        machine.does(&format!("{} unit {arguments} >{file}", program.display()));
        machine
            .does(&format!("systemctl daemon-reload && systemctl enable {unit} && systemctl start {unit}"));
        Some(Self { machine, program, unit })
    }

    fn act(&mut self, action: &str) -> (i32, String) {
        self.machine.shell(&format!("{} {action}", self.program.display()))
    }

    fn log(&mut self, file: &str) -> String {
        self.machine.does(&format!("cat /root/{file}"))
    }

    /// Reloads and stops the daemon by systemd, and asks meanwhile how it is.
    #[track_caller]
    fn reload(&mut self) {
        let pid = self.machine.show(&self.unit, "MainPID");
        self.machine.does(&format!("systemctl reload {}", self.unit));
        assert_eq!(self.machine.show(&self.unit, "MainPID"), pid);
        let name = self.unit.trim_end_matches(".service").to_owned();
        let (code, text) = self.act("status");
        assert!(code == 0 && text.starts_with(&format!("{name}: running (pid {pid}, up ")), "{text}");
        let end = format!("; unit {})\n{name}: log /root/daemon_{name}.log\n", self.unit);
        assert!(text.ends_with(&end), "{text}");
    }

    /// Stops the daemon by systemd, which must not have complained.
    #[track_caller]
    fn stop(mut self) {
        let unit = self.unit.clone();
        self.machine.does(&format!("systemctl stop {unit}"));
        assert_eq!(self.machine.show(&unit, "Result"), "success");
        let name = unit.trim_end_matches(".service");
        assert_eq!(self.act("status"), (3, format!("{name}: not running\n")));
        self.machine.complains(&unit, &[]);
    }
}

#[test]
fn the_http_example_answers_and_reloads_as_a_service() {
    let Some(mut http) = Service::start_or_skip("http", "http", "127.0.0.1:8080") else { return };
    let get =
        "exec 9<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&9; tail -1 <&9; exec 9>&-";
    // Systemd has waited until it listens.
    assert_eq!(http.machine.does(get), "Hello!\n");
    http.machine.does("echo 'Good evening!' >/root/daemon_http.txt");
    http.reload();
    let machine = &mut http.machine;
    wait_for("the new greeting", || (machine.does(get) == "Good evening!\n").then_some(()));
    assert!(http.log("daemon_http.log").starts_with("listening on 127.0.0.1:8080\n"));
    http.stop();
}

#[test]
fn the_worker_example_works_as_a_service() {
    let Some(mut worker) = Service::start_or_skip("worker", "worker", "") else { return };
    worker.machine.does("echo 'three little words' >/root/daemon_spool/new/first");
    worker.machine.comes_to_print("cat /root/daemon_spool/done/first", "1 3 19\n");
    worker.reload();
    assert_eq!(worker.log("daemon_worker.log"), "done: first\n");
    worker.stop();
}

#[test]
fn the_repeat_example_repeats_as_a_service() {
    let Some(mut repeat) = Service::start_or_skip("repeat", "example", "") else { return };
    repeat.machine.comes_to_print("cat /root/daemon_example.log", "testing daemon ...\n");
    repeat.reload();
    repeat.stop();
}

// ---- the guide's chapter ----

/// A section of the guide that is played in a machine, with the guide's programs in `/usr/local/bin`.
struct Scene {
    machine: Machine,
    pairs: guide::Pairs,
    wrong: Vec<String>,
}

impl Scene {
    fn put(&mut self, path: &str, text: &str) {
        std::fs::write(self.machine.path("file"), text).expect("a file");
        let file = self.machine.path("file");
        self.machine.does(&format!("install -D -m 644 {} {path}", file.display()));
    }

    /// Runs a command. One that only looks is repeated until its output is right, since a daemon may
    /// write later.
    fn act(&mut self, command: &str, shown: &str) {
        let looks =
            command.starts_with("cat ") || [" status", " logs"].iter().any(|word| command.contains(word));
        let mut tries = if looks { 100 } else { 1 };
        let printed = loop {
            let (_, printed) = self.machine.shell(command);
            tries -= 1;
            if tries == 0 || self.normal(&printed) == self.normal(shown) {
                break printed;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        if self.normal(&printed) != self.normal(shown) || !self.pairs.fit(shown, &printed) {
            self.wrong.push(format!("$ {command}\nshown:\n{shown}\nprinted:\n{printed}"));
        }
    }

    /// Removes what differs from run to run.
    fn normal(&mut self, text: &str) -> String {
        std::fs::write(self.machine.path("text"), text).expect("a file");
        let file = self.machine.path("text");
        let output = Command::new("sed").args(["-E", guide::VARIES]).arg(file).output().expect("sed runs");
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
fn the_chapter_on_services_is_true() {
    if !root_or_skip() {
        return;
    }
    let blocks = guide::blocks(&guide::chapter("service"));
    let mut wrong = Vec::new();
    for section in blocks.chunk_by(|one, other| one.section == other.section) {
        let Some(mut machine) = Machine::start_or_skip() else { return };
        if !machine.start_journald_or_skip() {
            return;
        }
        machine.does("mkdir -p /var/log && cd /root");
        let mut scene = Scene { machine, pairs: guide::Pairs::default(), wrong: Vec::new() };
        for block in section {
            if let Some(name) = block.value("program") {
                let program = scene.machine.bring(&guide::programs().join(name), name);
                scene.machine.does(&format!("cp {} /usr/local/bin/{name}", program.display()));
            } else if let Some(path) = block.value("file") {
                scene.put(path, &block.text);
            } else if block.is_console() {
                block.commands().iter().for_each(|(command, shown)| scene.act(command, shown));
            }
        }
        wrong.append(&mut scene.wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
