//! The files of `examples/deploy`, checked by the tools that read them, or carried out as they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::torture::say;
use common::{
    Answer, Process, available_or_skip, repository, root_or_skip, static_program_of, tool_or_skip, wait_for,
    wait_until,
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// How much longer than `stop_timeout` each launcher of the worker waits.
const MARGIN: u64 = 5;

fn path(name: &str) -> PathBuf {
    repository().join("examples/deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).expect("a file of the example")
}

/// Returns what is between two texts, each time that both are there.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let rests = text.split(begin).skip(1);
    rests.map(|rest| rest.split_once(end).expect("an end").0).collect()
}

/// Returns the only text between two others.
#[track_caller]
fn only<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let [found] = between(text, begin, end)[..] else { panic!("not once: {begin}") };
    found
}

/// Reads `"/worker", "status"`, the inside of a list in JSON.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

/// Returns the arguments of a container.
fn arguments(manifest: &str) -> Vec<String> {
    words(only(&text(manifest), "args: [", "]"))
}

/// Returns the command that each probe of the deployment executes.
fn probe() -> Vec<String> {
    let deployment = text("deployment.yaml");
    let commands = between(&deployment, "exec: {command: [", "]}");
    assert_eq!(commands, [commands[0]; 3], "each probe has another command");
    words(commands[0])
}

// ---- the image ----

/// The image that the Dockerfile describes, as a directory.
struct Image {
    folder: TempDir,
    user: String,
    health: Vec<String>,
    entry: Vec<String>,
    command: Vec<String>,
}

impl Image {
    /// Makes the image, or returns `None` if the test must be skipped.
    fn new() -> Option<Self> {
        let is_possible = root_or_skip()
            && tool_or_skip(&["unshare", "--mount", "--pid", "--fork", "true"])
            && tool_or_skip(&["setpriv", "--version"])
            && tool_or_skip(&["nsenter", "--version"]);
        if !is_possible {
            return None;
        }
        let folder = tempfile::tempdir().expect("a directory");
        let empty = || Vec::new();
        let mut image =
            Self { folder, user: String::new(), health: empty(), entry: empty(), command: empty() };
        fs::create_dir(image.root()).expect("a directory");
        let dockerfile = text("Dockerfile");
        let mut is_last_stage = false;
        for line in dockerfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (instruction, rest) = line.split_once(' ').expect("an instruction");
            match (is_last_stage, instruction) {
                (false, "FROM") => is_last_stage = rest == "scratch",
                (false, "RUN") if !image.build(rest) => return None,
                // The source is here already.
                (false, "RUN" | "WORKDIR" | "COPY") => {}
                (true, "COPY") => image.copy(rest),
                (true, "USER") => rest.clone_into(&mut image.user),
                (true, "HEALTHCHECK") => image.health = words(only(rest, "CMD [", "]")),
                (true, "ENTRYPOINT") => image.entry = words(only(rest, "[", "]")),
                (true, "CMD") => image.command = words(only(rest, "[", "]")),
                _ => panic!("the test does not know the instruction {line}"),
            }
        }
        // The runtime of a container makes it.
        fs::create_dir(image.root().join("proc")).expect("a directory");
        Some(image)
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Returns the path of a file of the stage that builds the program.
    fn stage(&self, path: &str) -> PathBuf {
        self.folder.path().join("stage").join(path.trim_start_matches('/'))
    }

    /// Carries out a command of the stage that builds the program. Returns false if this system cannot link a static
    /// program. The program is built as a test builds it, because a release takes longer.
    fn build(&self, command: &str) -> bool {
        if let Some(made) = command.strip_prefix("mkdir -p ") {
            fs::create_dir_all(self.stage(made)).expect("a directory");
            return true;
        }
        let package =
            command.strip_prefix("cargo build --release --package ").expect("a command that is known");
        let program = static_program_of(package, "worker");
        if !available_or_skip("a static C library", program.is_some()) {
            return false;
        }
        let target = self.stage("/source/target/release");
        fs::create_dir_all(&target).expect("a directory");
        shell(r#"cp "$0" "$1""#, &[&program.expect("a program"), &target]);
        true
    }

    /// Carries out `COPY --from=build [--chown=USER] SOURCE TARGET`.
    fn copy(&self, words: &str) {
        let words: Vec<_> = words.split(' ').collect();
        let (paths, options): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with('/'));
        let [source, target] = paths[..] else { panic!("not two paths: {paths:?}") };
        let target = self.root().join(target.trim_start_matches('/'));
        shell(r#"mkdir -p "${1%/*}" && cp -r "$0" "$1""#, &[&self.stage(source), &target]);
        for option in options {
            if let Some(owner) = option.strip_prefix("--chown=") {
                shell(r#"chown -R "$1" "$0""#, &[&target, Path::new(owner)]);
            } else {
                assert_eq!(option, "--from=build");
            }
        }
    }

    /// Runs the image's entry point as process 1, with a root directory that is read-only but for the directory of the
    /// pidfile, as the manifests demand it.
    fn run(&self, arguments: &[String]) -> Container {
        let script = r#"
            set -e
            mount --make-rprivate /
            mount --bind "$0" "$0"
            mount -o remount,bind,ro "$0"
            mount -t proc proc "$0/proc"
            mount -t tmpfs -o mode=777 tmpfs "$0/run/worker"
            user=$1
            shift
            exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$0" "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "sh", "-c", script]);
        command.arg(self.root()).arg(&self.user).args(&self.entry).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("unshare runs");
        let outside = Process(child.id().try_into().expect("a pid"));
        Container { child: Some(child), outside, root: self.root(), user: self.user.clone() }
    }
}

#[track_caller]
fn shell(script: &str, arguments: &[&Path]) {
    let status = Command::new("sh").args(["-ec", script]).args(arguments).status();
    assert!(status.expect("sh runs").success(), "{script} {arguments:?}");
}

/// A process in namespaces and a root directory of its own. Dropping it kills the process.
struct Container {
    /// The process that has made the namespaces, until its end is awaited.
    child: Option<Child>,
    /// The same process, until it is gone.
    outside: Process,
    root: PathBuf,
    user: String,
}

impl Container {
    /// Returns process 1, once it is the program.
    fn first(&self) -> Process {
        wait_for("process 1", || {
            let first = Process(self.outside.children().trim().parse().ok()?);
            (first.command_line().first()? == "/worker").then_some(first)
        })
    }

    /// Executes a command in the container, as a probe does.
    fn execute(&self, first: Process, words: &[String]) -> Answer {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--target", &first.to_string(), "chroot"]);
        command.arg(format!("--userspec={}", self.user)).arg("--groups=").arg(&self.root).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Answer::of(command)
    }

    /// Waits for its end.
    #[track_caller]
    fn end(mut self) -> Answer {
        let answer = Answer::from(self.child.take().expect("a process"));
        self.outside = Process(0);
        answer
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.outside != Process(0) {
            // A change of user cancels what `unshare --kill-child` asks for.
            for child in self.outside.children().split_whitespace() {
                Process(child.parse().expect("a pid")).signal(Signal::SIGKILL);
            }
            self.outside.signal(Signal::SIGKILL);
        }
    }
}

#[test]
fn the_image_runs_is_probed_and_stops_within_the_grace_period() {
    let Some(image) = Image::new() else { return };
    let mut names: Vec<_> =
        fs::read_dir(image.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["proc", "run", "worker"]);
    let ways = [
        ("default", image.command.clone(), image.health.clone()),
        ("mail", arguments("deployment.yaml"), probe()),
    ];
    for (queue, arguments, probe) in ways {
        let container = image.run(&arguments);
        let first = container.first();
        wait_until("the probe to succeed", || container.execute(first, &probe).status.success());
        // It succeeds also while the worker starts.
        let running = format!("worker-{queue}: running (pid 1, up ");
        wait_until("the worker to be ready", || {
            container.execute(first, &probe).stdout.starts_with(&running)
        });
        assert_eq!(first.status("Uid"), "10001\t10001\t10001\t10001");
        assert_eq!(
            (first.status("Groups").as_str(), first.status("CapEff").as_str()),
            ("", "0000000000000000")
        );
        let refused = container.execute(first, &[&image.entry[..], &["start".into()]].concat());
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let asked = Instant::now();
        first.signal(Signal::SIGTERM);
        let answer = container.end();
        let grace: u64 =
            only(&text("deployment.yaml"), "terminationGracePeriodSeconds: ", "\n").parse().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(grace), "it stopped after {:?}", asked.elapsed());
        answer.says(0, &format!("working on {queue}, pid 1\nno job is left half done"));
    }
}

#[test]
fn the_cron_job_ends_by_itself_with_the_exit_code_of_its_body() {
    let Some(image) = Image::new() else { return };
    let container = image.run(&arguments("cronjob.yaml"));
    container.end().says(0, "working on nightly, pid 1\nno job is left half done");
}

// ---- what the files agree on ----

#[test]
fn every_grace_period_is_the_stop_timeout_and_a_margin() {
    let timeout: u64 = only(&text("src/main.rs"), "stop_timeout = \"", "s\"").parse().unwrap();
    let grace = (timeout + MARGIN).to_string();
    for (file, begin, end) in [
        ("deployment.yaml", "terminationGracePeriodSeconds: ", "\n"),
        ("cronjob.yaml", "terminationGracePeriodSeconds: ", "\n"),
        ("worker.nomad.hcl", "kill_timeout = \"", "s\""),
        ("worker@.service", "TimeoutStopSec=", "s\n"),
    ] {
        assert_eq!(only(&text(file), begin, end), grace, "{file}");
    }
}

#[test]
fn every_file_runs_the_same_program_as_the_same_user() {
    let dockerfile = text("Dockerfile");
    let user = only(&dockerfile, "\nUSER ", "\n");
    let number = user.split(':').next().unwrap();
    let image = only(&dockerfile, "-t ", " ");
    for file in ["deployment.yaml", "cronjob.yaml"] {
        let text = text(file);
        for key in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert_eq!(only(&text, &format!("{key}: "), "\n"), number, "{file}, {key}");
        }
        assert_eq!(only(&text, "image: ", "\n"), image, "{file}");
        for line in ["runAsNonRoot: true", "readOnlyRootFilesystem: true", "mountPath: /run/worker}"] {
            assert!(text.contains(line), "{file} has no {line}");
        }
    }
    let nomad = text("worker.nomad.hcl");
    assert_eq!(only(&nomad, "user   = \"", "\""), user);
    assert_eq!(only(&nomad, "image           = \"", "\""), image);
    let check =
        [vec![only(&nomad, "command  = \"", "\"").to_owned()], words(only(&nomad, "args     = [", "]"))];
    assert_eq!(check.concat(), probe());
    assert_eq!(words(only(&nomad, "args            = [", "]")), arguments("deployment.yaml"));
}

// ---- the tools that read the files ----

#[test]
fn the_kubernetes_manifests_are_valid() {
    if !tool_or_skip(&["kubernetes-validate", "--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let validate = |files: &[PathBuf]| {
        let mut command = Command::new("kubernetes-validate");
        command.args(["--strict", "--quiet"]).args(files);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Answer::of(command)
    };
    let answer = validate(&["deployment.yaml", "cronjob.yaml"].map(path));
    assert!(answer.status.success(), "{answer:?}");
    // The tool notices a word that Kubernetes does not know, and a value of another kind.
    for (right, wrong) in [("periodSeconds:", "period:"), ("replicas: 2", "replicas: two")] {
        let manifest = text("deployment.yaml");
        assert!(manifest.contains(right));
        let file = folder.path().join("wrong.yaml");
        fs::write(&file, manifest.replace(right, wrong)).unwrap();
        assert!(!validate(&[file]).status.success(), "{wrong} is not noticed");
    }
}

#[test]
fn the_nomad_job_is_valid_where_there_is_nomad() {
    if Command::new("nomad").arg("version").output().is_err() {
        // No package registry has it, so this is no failure where `CI=true`.
        say(format_args!("not checked: the Nomad job, since there is no nomad"));
        return;
    }
    let mut command = Command::new("nomad");
    command.args(["job", "validate"]).arg(path("worker.nomad.hcl"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let answer = Answer::of(command);
    assert!(answer.status.success(), "{answer:?}");
}

#[test]
fn the_systemd_template_is_valid() {
    if !tool_or_skip(&["systemd-analyze", "--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("worker@.service");
    let analyze = |template: &str, arguments: &[&str]| {
        // The program is not installed here.
        fs::write(&unit, template.replace("/usr/local/bin/worker", "/bin/true")).unwrap();
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(&unit);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Answer::of(command)
    };
    let template = text("worker@.service");
    let answer = analyze(&template, &["verify"]);
    assert!(answer.status.success() && answer.stderr.is_empty() && answer.stdout.is_empty(), "{answer:?}");
    let answer = analyze(&template.replace("Restart=", "Restarts="), &["verify"]);
    assert!(answer.stderr.contains("Restarts"), "{answer:?}");
    let answer = analyze(&template, &["security", "--offline=yes", "--threshold=20"]);
    assert!(answer.status.success(), "{answer:?}");
}
