//! The guide's examples, run as they are: the programs are built, the files written to their paths,
//! the commands executed, and their output compared with the guide.
//!
//! The chapters are `src/guide/*.md`. The info string of a fenced block says what happens to it:
//!
//! | info string | what happens |
//! |---|---|
//! | `rust`, with `standalone_crate` if it names `crate` | rustdoc runs it, started by a test of this module |
//! | `rust,no_run (program NAME)`, with `ignore` if it needs a feature | it is built here, as the program `NAME` |
//! | `KIND (file PATH)` | it is written to `PATH` |
//! | `KIND (copy PATH)` | it is the file `PATH` of the repository |
//! | `console` | a shell executes the lines with `$ `; the other lines are the output |
//! | `rust,ignore (before)` | nothing, since it uses another crate: it is the code before a migration |
//!
//! Each section with a heading `# ` is a scene: a root shell in namespaces of its own, with its own
//! `/etc`, `/run` and similar directories, and its own network. Every process of a scene ends with it.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::record::Recorder;
use common::torture::attempt;
use common::{Answer, available_or_skip, repository, root_or_skip, tool_or_skip};
use daemon_schedule::{Schedule, UnixSeconds, Zone};
use tempfile::TempDir;

const CHAPTERS: [&str; 13] = [
    "tour",
    "keys",
    "actions",
    "supervision",
    "time",
    "log",
    "service",
    "promises",
    "migrating",
    "recipes",
    "json",
    "clap",
    "deploy",
];

pub fn chapter(name: &str) -> String {
    fs::read_to_string(repository().join(format!("src/guide/{name}.md"))).expect("a chapter")
}

// ---- reading ----

/// A fenced block.
pub struct Block {
    pub section: String,
    info: String,
    pub text: String,
}

impl Block {
    pub fn is_console(&self) -> bool {
        self.info == "console"
    }

    fn is_run_by_rustdoc(&self) -> bool {
        ["rust", "rust,standalone_crate"].contains(&self.info.as_str())
    }

    /// Returns the NAME of `(program NAME)` for the key `program`.
    pub fn value(&self, key: &str) -> Option<&str> {
        let (_, remark) = self.info.strip_suffix(')')?.split_once(" (")?;
        remark.strip_prefix(key)?.strip_prefix(' ')
    }

    /// Splits a block into commands and their outputs.
    pub fn commands(&self) -> Vec<(String, String)> {
        let mut commands: Vec<(String, String)> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), line.strip_prefix("> "), commands.last_mut()) {
                (Some(command), _, _) => commands.push((command.to_owned(), String::new())),
                (_, Some(more), Some((command, output))) if output.is_empty() => {
                    *command += "\n";
                    *command += more;
                }
                (_, _, Some((_, output))) => {
                    *output += line;
                    *output += "\n";
                }
                _ => panic!("a block begins with output: {line}"),
            }
        }
        commands
    }
}

pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut section, mut inside) = (String::new(), false);
    for line in text.lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(info)) => {
                let info = info.to_owned();
                blocks.push(Block { section: section.clone(), info, text: String::new() });
                inside = true;
            }
            (true, Some(_)) => inside = false,
            (true, None) => {
                let text = &mut blocks.last_mut().expect("a block").text;
                *text += line;
                *text += "\n";
            }
            (false, None) => {
                if let Some(title) = line.strip_prefix("# ") {
                    title.clone_into(&mut section);
                }
            }
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

// ---- building ----

/// Returns the directory with all programs of the guide, built once.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        for package in PACKAGES {
            write_package(package);
            let output = cargo("build", package).arg("--bins").output().expect("cargo runs");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "the programs don't build: {text}");
        }
        target().join("debug")
    })
}

/// A package of programs.
#[derive(Clone, Copy)]
struct Package {
    name: &'static str,
    /// The chapters whose programs need its features.
    chapters: &'static [&'static str],
    features: &'static [&'static str],
}

/// The features `cron`, `json` and `service` change the command line, which most chapters show without them.
const PACKAGES: [Package; 2] = [
    Package { name: "guide", chapters: &[], features: &["clap", "systemd", "tokio", "tracing"] },
    Package {
        name: "command-line",
        chapters: &["json", "keys", "service", "time"],
        features: &["clap", "cron", "json", "service", "systemd", "tokio"],
    },
];

impl Package {
    fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name)
    }

    /// Returns the package of a chapter's programs.
    fn of(chapter: &str) -> Self {
        PACKAGES.into_iter().find(|package| package.chapters.contains(&chapter)).unwrap_or(PACKAGES[0])
    }
}

fn target() -> PathBuf {
    PACKAGES[0].folder().join("target")
}

fn cargo(word: &str, package: Package) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args([word, "--quiet", "--target-dir"]).arg(target()).current_dir(package.folder());
    command
}

const MANIFEST: &str = r#"
[package]
name = "NAME"
version = "0.0.0"
edition = "2024"

[workspace]

# What hidden lines of the examples ask for.
[features]
default = CRON
cron = []

[dependencies]
clap = { version = "4", default-features = false, features = ["derive", "error-context", "help", "std", "usage"] }
clap_complete = { version = "4", default-features = false }
daemonic = { path = "ROOT", features = FEATURES }
tokio = { version = "1", default-features = false, features = ["io-util", "macros", "net", "rt-multi-thread"] }
tracing = { version = "0.1", default-features = false, features = ["std"] }
tracing-subscriber = { version = "0.3", default-features = false, features = ["fmt", "std"] }
"#;

/// Writes a package of programs, with the same versions of its dependencies as here. Its library has the documentation
/// of its chapters, so rustdoc can run the examples in it.
fn write_package(package: Package) {
    let folder = package.folder();
    let bins = folder.join("src/bin");
    let _ = fs::remove_dir_all(folder.join("src"));
    fs::create_dir_all(&bins).expect("a directory");
    fs::create_dir(folder.join("src/guide")).expect("a directory");
    let directory = "src/guide/private_directory.rs";
    for file in ["Cargo.lock", directory] {
        fs::copy(repository().join(file), folder.join(file)).expect("a copy");
    }
    let root = repository().to_str().expect("text");
    let features = format!("{:?}", package.features);
    let cron: Vec<_> = package.features.iter().filter(|name| **name == "cron").collect();
    let manifest = MANIFEST.replace("NAME", package.name).replace("ROOT", root);
    let manifest = manifest.replace("FEATURES", &features).replace("CRON", &format!("{cron:?}"));
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    let mut library = String::new();
    for name in CHAPTERS.into_iter().filter(|name| Package::of(name).name == package.name) {
        let _ =
            writeln!(library, "#[doc = include_str!(\"{root}/src/guide/{name}.md\")]\npub mod {name} {{}}");
        for block in blocks(&chapter(name)) {
            let Some(program) = block.value("program") else { continue };
            let path = bins.join(format!("{program}.rs"));
            fs::write(path, without_hiding(&block.text)).expect("a program");
        }
    }
    fs::write(folder.join("src/lib.rs"), library).expect("a library");
}

/// Removes the `# ` that hides a line in the documentation.
fn without_hiding(text: &str) -> String {
    text.lines().flat_map(|line| [line.strip_prefix("# ").unwrap_or(line), "\n"]).collect()
}

// ---- running ----

/// The directories of the system that a scene has for itself.
const OWN: [&str; 11] = [
    "/run",
    "/srv",
    "/root",
    "/tmp",
    "/var/log",
    "/var/lib/logrotate",
    "/var/spool/cron/crontabs",
    "/etc/cron.d",
    "/etc/init.d",
    "/etc/logrotate.d",
    "/etc/systemd/system",
];

/// Arguments of `unshare` for what a scene has for itself. Without its own network, a port could belong
/// to another program, or to another run of these tests.
const NAMESPACES: [&str; 5] = ["-m", "-n", "-p", "-f", "--mount-proc"];

/// A sed script that removes what differs from run to run.
pub const VARIES: &str = r#"s/[0-9]{4}(-[0-9]{2}){2}T[0-9:.]+Z/TIME/g; s/[0-9]{4}(-[0-9]{2}){2} ([0-9:]{8}) CES?T \(UTC[^)]*\), in .*/DATE \2/; s/(pid|body) [0-9]+/\1 N/g; s/up [0-9dhms ]+([),;])/up T\1/g; s/ in [0-9dhms ]+;/ in T;/g; s/[0-9][0-9dhms ]* ago/T ago/g; s/("(pid|body_pid|uptime_seconds|cpu_seconds|memory_bytes)": ?)[0-9.]+/\1N/g; s/("(since|at)": ?)"[^"]*"/\1T/g"#;

/// Shell functions. `right N` returns whether the output of command N is as shown. `record N` writes
/// what the system knows: the kernel's recording has the last 50 calls of programs other than the
/// script's own, each with a line for its begin and one for its end.
const RIGHT: &str = r#"
right() {
    sed -E "$varies" /mnt/output/$1 >/mnt/now
    sed -E "$varies" /mnt/shown/$1 | cmp -s - /mnt/now
}
# Switches the recording of system calls, for those of this script's own tools. The kernel may forget their names, so
# nothing could leave them out later.
recording() {
    [ ! "$switch" ] || echo $1 >"/mnt/tracing/$switch"
}
record() {
    {
        echo '---- /proc/locks'
        cat /proc/locks
        for process in /proc/[0-9]*; do
            echo "---- $process: stat, status, wchan"
            cat $process/stat
            grep -E '^(Name|State|PPid|TracerPid|Threads|Sig|ShdPnd)' $process/status
            cat $process/wchan
            echo
        done
        echo '---- the last system calls'
        grep -vE '^( *(sh|seq|cat|ls|tail|grep|unshare)-|#)' "/mnt/tracing/$trace" | tail -n 100
    } >/mnt/record/$1 2>/dev/null
}
"#;

/// Lists the PIDs in a text.
fn pids(text: &str) -> Vec<&str> {
    let rests = text.split("pid ").skip(1);
    rests.map(|rest| &rest[..rest.find(|end: char| !end.is_ascii_digit()).unwrap_or(rest.len())]).collect()
}

/// The PIDs that the guide shows, with those that were printed.
#[derive(Default)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Adds those of one output. Returns whether the printed ones are equal exactly where the guide shows the same PID
    /// twice.
    pub fn fit(&mut self, shown: &str, printed: &str) -> bool {
        let mut fit = true;
        for (one, other) in pids(shown).into_iter().zip(pids(printed)) {
            fit &= self.0.iter().all(|pair| (pair.0 == one) == (pair.1 == other));
            self.0.push((one.to_owned(), other.to_owned()));
        }
        fit
    }
}

/// A section with its files and commands.
struct Scene {
    folder: TempDir,
    script: String,
    commands: Vec<(String, String)>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["file", "output", "shown", "record"] {
            fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        let mut script = format!(
            "{RIGHT}set -e\nmount --make-rprivate /\nmount --bind '{}' /mnt\nmount --bind '{}' /usr/local/bin\n",
            folder.path().display(),
            programs().display()
        );
        // Files may come and go while they are copied: `useradd`, which a test beside this one may run,
        // makes lock files.
        script += "mkdir /mnt/etc\nmount -t tmpfs tmpfs /mnt/etc\n\
                   for try in $(seq 50); do cp -a /etc/. /mnt/etc 2>/mnt/why && break; done || { cat /mnt/why >&2; exit 1; }\n\
                   mount --bind /mnt/etc /etc\n";
        for own in OWN {
            let _ = writeln!(script, "if [ -d {own} ]; then mount -t tmpfs -o mode=755 tmpfs {own}; fi");
        }
        // Remove the machine's own jobs of cron.
        script += "rm -f /etc/crontab\nchmod 1777 /tmp\n";
        script += "[ ! \"$switch\" ] || { mkdir /mnt/tracing; mount -t tracefs tracefs /mnt/tracing; }\ncd\nset +e\n";
        Self { folder, script, commands: Vec::new() }
    }

    fn put(&mut self, path: &str, text: &str) {
        let number = self.script.len();
        fs::write(self.folder.path().join(format!("file/{number}")), text).expect("a file");
        let mode = if text.starts_with("#!") { "755" } else { "644" };
        let _ = writeln!(self.script, "install -D -m {mode} /mnt/file/{number} {path}");
    }

    fn act(&mut self, command: String, shown: String) {
        let number = self.commands.len();
        fs::write(self.folder.path().join(format!("shown/{number}")), &shown).expect("a file");
        let act = format!("{{ {command}\n}} >/mnt/output/{number} 2>&1");
        let mut words = command.split([' ', ';']);
        let looks = ["cat", "ls", "readlink", "tail"].contains(&words.next().unwrap_or_default());
        // A command that only looks is repeated until its output is right, since a daemon may write
        // later. After the first failure it is tried once.
        let _ = if looks || words.next() == Some("status") {
            writeln!(
                self.script,
                "right=\nfor try in $(seq ${{tries:-100}}); do\nrecording 1\n{act}\ncode=$?\nrecording 0\n\
                 right {number} && right=yes && break\nsleep 0.1\ndone\n\
                 [ $right ] || {{ tries=1; record {number}; }}\nrecording 1\n(exit $code)"
            )
        } else {
            writeln!(
                self.script,
                "{act}\ncode=$?\nrecording 0\nright {number} || record {number}\nrecording 1\n(exit $code)"
            )
        };
        self.commands.push((command, shown));
    }

    /// Runs the scene, and returns where the output differs from the guide.
    fn play(mut self, title: &str) -> Vec<String> {
        self.script += "cp -r /mnt/output /mnt/shown /mnt/file\n";
        let _ = write!(self.script, "sed -E -i '{VARIES}' /mnt/output/* /mnt/shown/*\ntouch /mnt/played\n");
        let path = self.folder.path().join("script");
        fs::write(&path, &self.script).expect("a script");
        // The shell becomes `unshare`, so the kernel records all processes of the scene.
        let recorder = Recorder::begin();
        let list = recorder.as_ref().map_or_else(|| "/dev/null".into(), Recorder::list);
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >> \"$0\"; exec \"$@\""]).arg(list);
        command.arg("unshare").args(NAMESPACES).args(["--kill-child", "sh"]).arg(path);
        command.env_clear().env("HOME", "/root").env("LC_ALL", "C.UTF-8");
        command
            .env("varies", VARIES)
            .env("trace", recorder.as_ref().map_or_else(String::new, Recorder::trace))
            .env("switch", recorder.as_ref().map_or_else(String::new, Recorder::switch));
        command.env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let answer = Answer::of({
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        });
        let played = self.folder.path().join("played").exists();
        assert!(played && answer.stderr.is_empty(), "{title}: the scene doesn't work: {answer:?}");
        let read = |name: String| fs::read_to_string(self.folder.path().join(name)).expect("text");
        let mut wrong = Vec::new();
        let mut pairs = Pairs::default();
        for (number, (command, shown)) in self.commands.iter().enumerate() {
            let output = read(format!("file/output/{number}"));
            let mut is_wrong = read(format!("shown/{number}")) != read(format!("output/{number}"));
            is_wrong |= !pairs.fit(shown, &output);
            if is_wrong {
                let record =
                    fs::read(self.folder.path().join(format!("record/{number}"))).unwrap_or_default();
                let record = String::from_utf8_lossy(&record);
                wrong.push(format!("{title}\n$ {command}\nshown:\n{shown}\nprinted:\n{output}\n{record}"));
            }
        }
        wrong
    }
}

/// Returns whether scenes can be played that need some tools. If not, the test is skipped.
fn can_play(tools: &[&str]) -> bool {
    let has = |tool: &&str| tool_or_skip(&["sh", "-c", &format!("command -v {tool}")]);
    let has_namespaces = || tool_or_skip(&[&["unshare"], &NAMESPACES[..], &["true"]].concat());
    root_or_skip() && has_namespaces() && tools.iter().all(has)
}

/// Runs all scenes of a chapter, which may need some tools.
#[track_caller]
fn play(name: &str, tools: &[&str]) {
    if !can_play(tools) {
        return;
    }
    let blocks = blocks(&chapter(name));
    let mut wrong = Vec::new();
    for section in blocks.chunk_by(|one, other| one.section == other.section) {
        let mut scene = Scene::new();
        for block in section {
            if let Some(path) = block.value("file") {
                scene.put(path, &block.text);
            } else if block.is_console() {
                block.commands().into_iter().for_each(|(command, shown)| scene.act(command, shown));
            }
        }
        if !scene.commands.is_empty() {
            wrong.extend(scene.play(&format!("{name}: {}", section[0].section)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tour_is_true() {
    play("tour", &[]);
}

#[test]
fn the_keys_are_true() {
    play("keys", &[]);
}

#[test]
fn the_actions_are_true() {
    play("actions", &["setpriv"]);
}

#[test]
fn the_supervision_is_true() {
    play("supervision", &["pgrep", "pkill", "systemd-analyze"]);
}

#[test]
fn the_time_is_true() {
    play("time", &[]);
}

/// A table of times is that of `daemon-schedule`, whose own tests compare it with cron.
#[test]
fn the_runs_at_changes_of_clocks_are_as_shown() {
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    // From one o'clock until four o'clock, on both days.
    let nights = [(1_774_742_400, 1_774_749_600), (1_792_882_800, 1_792_897_200)];
    let text = chapter("time");
    let is_row = |line: &&str| line.starts_with("| `") && line.contains(" CE");
    let rows: Vec<_> = text.lines().filter(is_row).collect();
    assert!(rows.len() >= 7, "{rows:?}");
    for row in rows {
        let expression = row.split('`').nth(1).expect("an expression");
        let schedule = Schedule::new(expression.parse().expect("an expression"), zone.clone());
        let runs = nights.map(|(from, to)| {
            let due = schedule.upcoming(UnixSeconds(from - 1)).take_while(|due| due.0 < to);
            let shown = due.map(|due| {
                let local = zone.local(due);
                format!("{:02}:{:02} {}", local.hour, local.minute, local.abbreviation)
            });
            let shown: Vec<_> = shown.collect();
            if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
        });
        assert_eq!(row, format!("| `{expression}` | {} | {} |", runs[0], runs[1]));
    }
}

#[test]
fn the_log_is_true() {
    play("log", &[]);
}

#[test]
fn the_promises_are_true() {
    play("promises", &[]);
}

#[test]
fn the_migrations_are_true() {
    play("migrating", &["start-stop-daemon"]);
}

#[test]
fn the_recipes_are_true() {
    play("recipes", &["cron", "logrotate", "pkill", "python3", "systemd-analyze"]);
}

#[test]
fn the_json_is_true() {
    play("json", &["python3"]);
}

#[test]
fn the_command_line_made_by_clap_is_true() {
    play("clap", &["bash"]);
}

#[test]
fn the_examples_that_rustdoc_runs_are_true() {
    programs();
    for package in PACKAGES {
        let output = cargo("test", package).arg("--doc").output().expect("cargo runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn a_scene_disturbs_no_neighbour_and_is_not_disturbed() {
    if !can_play(&[]) {
        return;
    }
    // The port of `knock`, unless another program has it, which disturbs as well.
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 79));
    let lock = Path::new("/etc").join(format!("daemonic-test-{}.lock", std::process::id()));
    let is_over = AtomicBool::new(false);
    let wrong = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                fs::write(&lock, "")
                    .and_then(|()| fs::remove_file(&lock))
                    .expect("a file that comes and goes");
            }
        });
        let wrong = attempt(|| {
            let mut scene = Scene::new();
            scene.act("knock start".into(), "knock: started (pid 42)\n".into());
            scene.play("a busy machine")
        });
        is_over.store(true, Ordering::Relaxed);
        wrong
    });
    assert_eq!(wrong, Ok(Vec::new()));
}

#[test]
fn a_wrong_output_comes_with_a_record() {
    if !can_play(&[]) || !available_or_skip("tracefs", Recorder::begin().is_some()) {
        return;
    }
    let mut scene = Scene::new();
    scene.act("guard start".into(), "guard: started (pid 42)\n".into());
    scene.act("guard stop".into(), "guard: not running\n".into());
    let wrong = scene.play("a wrong guide");
    let [wrong] = &wrong[..] else { panic!("{wrong:?}") };
    for part in ["guard: stopped (pid ", "---- /proc/locks\n", "\nState:\t", "sys_pidfd_open(", "sys_unlink("]
    {
        assert!(wrong.contains(part), "no {part:?} in {wrong}");
    }
}

// ---- completeness ----

#[test]
fn no_example_is_left_out() {
    for name in CHAPTERS {
        let blocks = blocks(&chapter(name));
        for (at, block) in blocks.iter().enumerate() {
            let Block { section, info, .. } = block;
            let is_played = blocks[at..].iter().any(|later| later.section == *section && later.is_console());
            let is_run = match info.as_str() {
                "console" => true,
                _ if block.is_run_by_rustdoc() => true,
                "rust,ignore (before)" => name == "migrating",
                _ if block.value("copy").is_some() => true,
                _ => is_played && (block.value("program").is_some() || block.value("file").is_some()),
            };
            assert!(is_run, "{name}, {section}: nothing runs the block `{info}`");
        }
    }
}

#[test]
fn no_two_programs_have_the_same_name() {
    let mut names = Vec::new();
    for name in CHAPTERS {
        for block in blocks(&chapter(name)) {
            let Some(program) = block.value("program").map(str::to_owned) else { continue };
            assert!(!names.contains(&program), "the program {program} in {name} is not the first");
            names.push(program);
        }
    }
}

#[test]
fn every_copy_of_a_file_is_like_it() {
    let blocks = blocks(&chapter("deploy"));
    let copies: Vec<_> =
        blocks.iter().filter_map(|block| Some((block.value("copy")?, &block.text))).collect();
    assert_eq!(copies.len(), 6);
    for (path, text) in copies {
        let file = fs::read_to_string(repository().join(path)).expect("a file");
        assert_eq!(*text, file, "the guide shows another {path}");
    }
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let text = chapter("promises");
    let proofs = text.split("\n\n").filter(|paragraph| paragraph.starts_with("**Shown** by "));
    let mut count = 0;
    for proof in proofs {
        let mut names: Vec<&str> = Vec::new();
        for (at, part) in proof.split('`').enumerate() {
            // Between the names there are commas, and after some of them a path.
            if at % 2 == 1 {
                names.push(part);
                continue;
            }
            let Some((_, rest)) = part.split_once("(tests/") else { continue };
            let (file, _) = rest.split_once(')').expect("an end");
            let source = fs::read_to_string(repository().join("tests").join(file)).expect("a test");
            for name in names.drain(..) {
                assert!(source.contains(&format!("#[test]\nfn {name}() {{")), "{file} has no test {name}");
                count += 1;
            }
        }
        assert!(names.is_empty(), "no file for {names:?}");
    }
    assert!(count > 20, "only {count} tests are named");
}

#[test]
fn every_key_is_explained() {
    let table =
        fs::read_to_string(repository().join("daemon-macros/src/args.rs")).expect("the table of keys");
    let keys: Vec<&str> = table
        .lines()
        .filter_map(|line| {
            line.trim_start().strip_prefix("(\"")?.split_once("\", Kind::").map(|(key, _)| key)
        })
        .collect();
    assert!(keys.contains(&"pidfile") && keys.contains(&"on_error"), "{keys:?}");
    let text = chapter("keys");
    let sections: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# `")?.strip_suffix('`')).collect();
    assert_eq!(sections, keys);
    for key in keys {
        assert!(text.contains(&format!("\n| [`{key}`](#{key}) | ")), "no row for {key}");
    }
}

#[test]
fn every_action_is_explained() {
    let text = chapter("actions");
    for action in daemonic::Action::ALL {
        assert!(text.contains(&format!("\n# `{action}`\n")), "no section for {action}");
    }
}

#[test]
fn a_container_is_shown_to_run_what_its_dockerfile_says() {
    let text = chapter("recipes");
    let words = text.lines().find_map(|line| line.strip_prefix("ENTRYPOINT [")?.strip_suffix(']'));
    let command = words.expect("an entry point").replace(['"', ','], "");
    assert!(
        text.contains(&format!("\n$ unshare --pid --fork --mount-proc --kill-child {command} > log &\n"))
    );
}
