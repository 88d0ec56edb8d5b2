//! Clocks that are really set, and a machine that really sleeps: a virtual machine with a kernel of its own.
//!
//! The tests of this machine must not set its clock. So qemu boots a kernel with a file system that has two static
//! programs: the daemon, and `guest`, which sets the clock and shows what the daemon reports. No signal wakes the daemon,
//! only the kernel's timer. `DAEMONIC_KERNEL` names the kernel, which `.ci/kernel` gets. This is done with
//! `DAEMONIC_TORTURE=long` only; `behaviour::cron` has the same times by libfaketime.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::torture::say;
use common::{available_or_skip, is_long, static_program, static_program_with, tool_or_skip};

/// 2026-05-05 03:00:20 UTC.
const THREE: i64 = 1_777_950_020;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const FOUR_YEARS: i64 = 1_461 * 24 * HOUR;

/// A virtual machine that follows a script.
struct Guest {
    script: String,
    /// What each line of the script has to show.
    wanted: Vec<Wanted>,
}

enum Wanted {
    Anything,
    Number(usize),
    /// A report that the clock was set by this many seconds, and whether that makes a run due.
    Set(i64, bool),
    /// A report that a run is late, because the machine was suspended.
    Late,
}

impl Guest {
    fn new() -> Self {
        Self { script: String::new(), wanted: Vec::new() }
    }

    fn line(mut self, line: &str, wanted: Wanted) -> Self {
        self.script.extend([line, "\n"]);
        self.wanted.push(wanted);
        self
    }

    /// Starts a daemon at three o'clock.
    fn at_three(self, expression: &str) -> Self {
        let clock = format!("clock {THREE}");
        self.line(&clock, Wanted::Anything).line(&format!("start {expression}"), Wanted::Anything)
    }

    /// Sets the clock from one time after three o'clock to another one.
    fn set(self, from: i64, to: i64, is_due: bool) -> Self {
        self.line(&format!("set {}", THREE + to), Wanted::Set(to - from, is_due))
    }

    fn runs(self, count: usize) -> Self {
        self.line("runs", Wanted::Number(count))
    }

    /// Boots the machine, and checks what it shows. Returns how many lines that were.
    fn boot(self, kernel: &Path, programs: &[(PathBuf, &str)]) -> usize {
        let folder = tempfile::tempdir().expect("a directory");
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("a directory");
        for (program, name) in programs {
            fs::copy(program, root.join(name)).expect("a copy");
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        fs::write(root.join("script"), &self.script).expect("a script");
        let archive = folder.path().join("archive");
        let packed = Command::new("sh")
            .args(["-c", "cd \"$0\" && find . | cpio --quiet -o -H newc >\"$1\""])
            .args([&root, &archive])
            .status();
        assert!(packed.expect("sh runs").success(), "cpio");
        let console = folder.path().join("console");
        let mut machine = Command::new("timeout")
            .args(["--signal=KILL", "300", "qemu-system-x86_64"])
            // Emulated, because a virtual machine inside a virtual machine may hang.
            .args(["-accel", "tcg", "-m", "256", "-nodefaults", "-nographic", "-no-reboot"])
            .args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/guest", "-serial", "stdio"])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(&archive)
            .stdin(Stdio::null())
            .stdout(File::create(&console).expect("a file"))
            .stderr(Stdio::inherit())
            .spawn()
            .expect("qemu runs");
        let status = machine.wait().expect("a child");
        let text = String::from_utf8_lossy(&fs::read(&console).expect("a file")).replace('\r', "");
        assert!(status.success(), "{status}: {text}");
        let answers: Vec<_> =
            text.lines().filter_map(|line| line.split_once("guest: ").map(|it| it.1)).collect();
        assert!(answers.len() > self.wanted.len(), "it did not come to its end: {text}");
        for ((line, wanted), answer) in self.script.lines().zip(&self.wanted).zip(answers) {
            let answer = answer.strip_prefix(line).and_then(|rest| rest.strip_prefix(": "));
            assert!(answer.is_some_and(|answer| wanted.is(answer)), "{line}: {answer:?}\n{text}");
        }
        self.wanted.len()
    }
}

impl Wanted {
    fn is(&self, answer: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Number(number) => answer == number.to_string(),
            Self::Late => answer.contains(" late, and the one after it is skipped"),
            Self::Set(by, is_due) => {
                let way = if *by < 0 { "back" } else { "forward" };
                // Some seconds may pass between the commands.
                let about = |by: i64| answer.contains(&format!("the clock was set {way} by {}", span(by)));
                (by.abs() - 3..=by.abs() + 3).any(about) && answer.ends_with(", so a run is due") == *is_due
            }
        }
    }
}

/// Returns a time as a report shows it.
fn span(seconds: i64) -> String {
    let units = [(24 * HOUR, 'd'), (HOUR, 'h'), (MINUTE, 'm'), (1, 's')];
    let mut rest = seconds;
    let counts = units.map(|(length, unit)| {
        let count = rest / length;
        rest %= length;
        (count, unit)
    });
    let shown = counts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    shown.collect::<Vec<_>>().join(" ")
}

/// Returns the kernel, or skips the test as [`available_or_skip`] does.
fn kernel_or_skip() -> Option<PathBuf> {
    let kernel = env::var_os("DAEMONIC_KERNEL").map(PathBuf::from);
    let is_there = available_or_skip("a kernel, which DAEMONIC_KERNEL names", kernel.is_some())
        && tool_or_skip(&["qemu-system-x86_64", "--version"])
        && tool_or_skip(&["cpio", "--version"]);
    kernel.filter(|_| is_there)
}

#[test]
fn the_kernel_wakes_a_daemon_when_the_clock_is_set() {
    if !is_long() {
        return;
    }
    let Some(kernel) = kernel_or_skip() else { return };
    let programs = static_program_with(&["cron"], "subject_cron").zip(static_program("guest"));
    if !available_or_skip("static programs", programs.is_some()) {
        return;
    }
    let (subject, guest) = programs.expect("they are available");
    // At a fixed time: half an hour later.
    let script = Guest::new()
        .at_three("30 3 * * *")
        .set(0, 10 * MINUTE, false)
        .set(10 * MINUTE, 70 * MINUTE, true)
        .runs(1)
        .set(70 * MINUTE, 10 * MINUTE, false)
        .set(10 * MINUTE, 0, false)
        .runs(1)
        .set(0, 5 * HOUR, false)
        .set(5 * HOUR, 0, false)
        .set(0, FOUR_YEARS + 45 * MINUTE, false)
        .set(FOUR_YEARS + 45 * MINUTE, 50 * MINUTE, false)
        .runs(1)
        // With a star: whenever the clock shows such a time.
        .at_three("*/10 * * * *")
        .set(0, 10 * MINUTE, true)
        .set(10 * MINUTE, 15 * MINUTE, false)
        .set(15 * MINUTE, 5 * HOUR, true)
        .runs(2)
        .set(5 * HOUR, 4 * HOUR, true)
        .set(4 * HOUR, 4 * HOUR - 5 * MINUTE, false)
        .set(4 * HOUR - 5 * MINUTE, FOUR_YEARS, true)
        .runs(4)
        // Without a change, at the next minute.
        .at_three("* * * * *")
        .line(&format!("clock {}", THREE + 37), Wanted::Anything)
        .runs(0)
        .line("suspend 70", Wanted::Late)
        .runs(1);
    let lines = script.boot(&kernel, &[(subject, "subject"), (guest, "guest")]);
    say(format_args!("clock_set: {lines} lines of a virtual machine are right"));
}
