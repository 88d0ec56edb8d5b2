//! A real systemd: a user manager in namespaces and cgroups of its own.
//!
//! It finds only the processes of one test, and ends with that test. It must never run in the
//! machine's own cgroups or PID namespace: there it would treat every process as its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use crate::shell::Shell;
use crate::torture::say;
use crate::{Process, Subject, available_or_skip, is_long, root_or_skip, wait_for};

pub(crate) const PROGRAM: &str = "/lib/systemd/systemd";

/// Runs [`SCRIPT`] in a cgroup and in namespaces of its own, for at most a minute.
const SHELL: &str = r#"
name=daemonic-test-$$
cgroups=()
tidy() {
    for cgroup in "${cgroups[@]}"; do
        # A process that has just been killed keeps it for a moment more.
        for _ in {1..200}; do
            find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
            [ -d "$cgroup" ] || break
            sleep 0.05
        done
    done
}
trap tidy EXIT
for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
        mkdir "$hierarchy/$name" || exit
        cgroups+=("$hierarchy/$name")
    fi
done
[ ${#cgroups[@]} -gt 0 ] || exit
(
    for cgroup in "${cgroups[@]}"; do
        echo $BASHPID >"$cgroup/cgroup.procs" || exit
        grep -q "/$name\$" /proc/self/cgroup || exit
    done
    exec timeout -s KILL 60 unshare -p -f -m -C -u -i --mount-proc --kill-child bash -c "$1" - "$2" "$3"
)
"#;

/// The first process of the namespaces: starts the manager, then runs each line that it reads.
const SCRIPT: &str = r#"
set -e
[ $$ = 1 ]
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/journal /run/user/0/systemd/user
chmod 0700 /run/user/0
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export XDG_RUNTIME_DIR=/run/user/0
ln -s "$1/journal" /run/systemd/journal/socket
libraries=$2/usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries:$libraries/systemd \
    "$2/lib/systemd/systemd" --user --log-target=journal </dev/null >/dev/null 2>&1 &
for _ in {1..400}; do
    state=$(systemctl --user is-system-running 2>/dev/null) || true
    case $state in running | degraded) break ;; esac
    sleep 0.05
done
set +e
echo "is $state"
while IFS= read -r line; do
    eval "$line" </dev/null 2>&1
    echo "done $?"
done
"#;

/// A user manager. Dropping it ends all of its processes.
pub struct Manager {
    /// Dropped first: what it ends needs the directory.
    shell: Shell,
    folder: TempDir,
    journal: Journal,
}

/// Returns the directory of a systemd of version 253 or later: the value of the variable `DAEMONIC_NEWER_SYSTEMD`, into
/// which its package is unpacked. Skips the test if there is none; the long form of the tests has one.
pub(crate) fn newer_or_skip() -> Option<String> {
    let Ok(directory) = std::env::var("DAEMONIC_NEWER_SYSTEMD") else {
        let need = "DAEMONIC_NEWER_SYSTEMD, which .ci/long sets";
        if is_long() {
            available_or_skip(need, false);
        } else {
            say(format_args!("skipped: this test needs {need}"));
        }
        return None;
    };
    root_or_skip().then_some(directory)
}

/// An entry of systemd's journal.
#[derive(Debug)]
struct Entry {
    priority: u8,
    unit: String,
    message: String,
}

impl Manager {
    /// Starts it, or skips the test where that is impossible.
    pub fn start_or_skip() -> Option<Self> {
        if !root_or_skip() || !available_or_skip("systemd", Path::new(PROGRAM).exists()) {
            return None;
        }
        Self::start_in("")
    }

    /// Starts a systemd of version 253 or later, as `newer_or_skip` finds it.
    pub fn start_newer_or_skip() -> Option<Self> {
        newer_or_skip().and_then(|directory| Self::start_in(&directory))
    }

    /// Starts the systemd below a directory.
    fn start_in(directory: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a directory");
        let journal = Journal::listen(folder.path());
        let mut command = Command::new("bash");
        command.args(["-c", SHELL, "-", SCRIPT]).arg(folder.path()).arg(directory);
        // A service gets its environment from its unit alone.
        command.env_remove("NOTIFY_SOCKET");
        let (shell, word) = Shell::spawn(command);
        let manager = Self { shell, folder, journal };
        let is_up = word.as_deref().is_some_and(|word| ["is running", "is degraded"].contains(&word));
        available_or_skip("a systemd in namespaces of its own", is_up).then_some(manager)
    }

    /// Runs a line of shell inside, and returns the exit code and the output.
    #[track_caller]
    pub fn shell(&mut self, line: &str) -> (i32, String) {
        self.shell.run(line)
    }

    /// Runs a line of shell that must succeed.
    #[track_caller]
    pub fn does(&mut self, line: &str) -> String {
        self.shell.does(line)
    }

    /// Installs a unit.
    #[track_caller]
    pub fn install(&mut self, unit: &Unit) {
        fs::write(self.folder.path().join(&unit.name), unit.text()).expect("a unit");
        let (from, name) = (self.folder.path().display(), &unit.name);
        self.does(&format!("cp {from}/{name} /run/user/0/systemd/user/ && systemctl --user daemon-reload"));
    }

    /// Asks systemd for some properties of a unit.
    pub fn show(&mut self, unit: &Unit, properties: &str) -> Vec<String> {
        let text = self.does(&format!("systemctl --user show {} -p {properties}", unit.name));
        let value = |property| {
            let line = text.lines().find_map(|line| line.strip_prefix(property)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("no {property} in {text}")).to_owned()
        };
        properties.split(',').map(value).collect()
    }

    /// Returns systemd's view of a unit, such as `active/running success`.
    pub fn view(&mut self, unit: &Unit) -> String {
        let [active, sub, result] = &self.show(unit, "ActiveState,SubState,Result")[..] else { panic!() };
        format!("{active}/{sub} {result}")
    }

    #[track_caller]
    pub fn sees(&mut self, unit: &Unit, view: &str) {
        assert_eq!(self.view(unit), view, "{}", unit.name);
    }

    /// Waits until this is systemd's view of a unit.
    #[track_caller]
    pub fn comes_to_see(&mut self, unit: &Unit, view: &str) {
        let mut last = String::new();
        wait_for(format_args!("{} to be {view}", unit.name), || {
            last = self.view(unit);
            (last == view).then_some(())
        });
    }

    pub fn main_pid(&mut self, unit: &Unit) -> Process {
        Process(self.show(unit, "MainPID")[0].parse().expect("a pid"))
    }

    /// Ends it, and fails unless the messages above *info* about a unit are the expected ones.
    #[track_caller]
    pub fn complains(mut self, unit: &Unit, expected: &[&str]) {
        self.shell.end();
        assert_eq!(self.journal.complaints(&unit.name), expected, "what systemd has logged of {}", unit.name);
    }
}

/// What a systemd logs, received in its journal's place.
pub(crate) struct Journal {
    path: PathBuf,
    entries: Option<JoinHandle<Vec<Entry>>>,
}

impl Journal {
    /// Receives entries at the socket `journal` in a directory, until an empty one comes.
    pub(crate) fn listen(directory: &Path) -> Self {
        let path = directory.join("journal");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let entries = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            let mut next = || {
                let length = socket.recv(&mut buffer).expect("a message");
                (length > 0).then(|| Entry::read(&String::from_utf8_lossy(&buffer[..length])))
            };
            std::iter::from_fn(&mut next).collect()
        });
        Self { path, entries: Some(entries) }
    }

    /// Returns the messages above *info* about a unit, of which there must be some message.
    #[track_caller]
    pub(crate) fn complaints(&mut self, unit: &str) -> Vec<String> {
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.send_to(b"", &self.path).expect("the journal listens");
        let entries = self.entries.take().expect("a journal").join().expect("a journal");
        assert!(entries.iter().any(|entry| entry.unit == unit), "systemd has logged nothing: {entries:?}");
        let about = |entry: &&Entry| entry.unit == unit || entry.message.contains(unit);
        let complaints = entries.iter().filter(about).filter(|entry| entry.priority < 6);
        complaints.map(|entry| entry.about(unit)).collect()
    }
}

impl Entry {
    /// Reads lines such as `PRIORITY=6`.
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        let priority = field("PRIORITY").parse().unwrap_or(0);
        let unit = [field("USER_UNIT"), field("UNIT")].concat();
        Self { priority, unit, message: field("MESSAGE") }
    }

    /// Returns the message without its PIDs and the name of the unit.
    fn about(&self, unit: &str) -> String {
        let text = self.message.strip_prefix(&format!("{unit}: ")).unwrap_or(&self.message);
        let is_pid = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let word = |word| if is_pid(word) { "PID" } else { word };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ").replace(unit, "UNIT")
    }
}

/// A service's unit file.
#[derive(Clone)]
pub struct Unit {
    name: String,
    output: PathBuf,
    variables: Vec<String>,
    lines: Vec<String>,
}

impl Unit {
    /// Makes a unit with the environment of a daemon under test.
    pub fn new(name: &str, subject: &Subject) -> Self {
        let command = subject.command("");
        let variable = |(key, value): (&OsStr, Option<&OsStr>)| {
            Some(format!("'{}={}'", key.to_str()?, value?.to_str()?))
        };
        let variables = command.get_envs().filter_map(variable).collect();
        let output = subject.path("output");
        Self { name: format!("{name}.service"), output, variables, lines: Vec::new() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the daemon's environment, quoted for a shell and for a unit.
    pub fn variables(&self) -> String {
        self.variables.join(" ")
    }

    /// Adds a line to the section `[Service]`.
    pub fn with(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Returns the output of the unit's processes.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn text(&self) -> String {
        let output = self.output.display();
        let streams = format!("StandardOutput=append:{output}\nStandardError=append:{output}");
        format!("[Service]\nEnvironment={}\n{streams}\n{}\n", self.variables(), self.lines.join("\n"))
    }
}
