//! Packages made for the occasion, and what it costs to compile them.
#![allow(dead_code, reason = "each benchmark uses its own part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How to depend on the crate that is being measured.
pub const DAEMONIC: &str = concat!("daemonic = { path = \"", env!("CARGO_MANIFEST_DIR"), "\" }");

/// A directory for the packages of a benchmark. Dropping it removes it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("daemonic-bench-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A package in a directory of its own.
pub struct Package {
    root: PathBuf,
}

impl Package {
    /// Writes a program; `manifest` is what comes after `[package]`.
    pub fn program(root: PathBuf, manifest: &str, main: &str) -> Self {
        Self::write(root, manifest, "main.rs", main)
    }

    /// Writes a library.
    pub fn library(root: PathBuf, manifest: &str, lib: &str) -> Self {
        Self::write(root, manifest, "lib.rs", lib)
    }

    fn write(root: PathBuf, manifest: &str, file: &str, source: &str) -> Self {
        let name = root.file_name().unwrap().to_str().unwrap();
        let package = format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("Cargo.toml"), package + manifest).unwrap();
        fs::write(root.join("src").join(file), source).unwrap();
        Self { root }
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Runs cargo here, with defaults whatever the caller's environment says, and gives what it printed.
    pub fn cargo(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let is_setting = name.starts_with("CARGO_") && name != "CARGO_HOME" || name.contains("RUSTFLAGS");
            if is_setting || name.starts_with("RUSTC") {
                command.env_remove(&*name);
            }
        }
        let Output { status, stdout, stderr } = command
            .args(arguments)
            .args(["--color", "never"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.path("target"))
            .output()
            .unwrap();
        assert!(status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }
}

/// What a piece of work took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of all processors together, by the processes that it has started.
    pub processor: Duration,
}

impl Cost {
    /// Measures work that is done by other processes.
    pub fn of(work: impl FnOnce()) -> Self {
        let (start, before) = (Instant::now(), Self::of_children());
        work();
        Self { wall: start.elapsed(), processor: Self::of_children().saturating_sub(before) }
    }

    fn of_children() -> Duration {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let duration = |time: TimeVal| {
            let (seconds, micros) = (time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs());
            Duration::from_secs(seconds) + Duration::from_micros(micros)
        };
        duration(usage.user_time()) + duration(usage.system_time())
    }
}

/// Gives the number after `--` on the command line of `cargo bench`, or a default.
pub fn rounds(default: usize) -> usize {
    let given = std::env::args().skip(1).find(|argument| argument != "--bench");
    given.map_or(default, |given| given.parse().expect("the number of rounds"))
}

/// Says by what and on what the figures below are made.
pub fn print_circumstances(rounds: usize) {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().unwrap().stdout;
        String::from_utf8(output).unwrap().trim().to_owned()
    };
    let processors = std::thread::available_parallelism().unwrap();
    println!("{rounds} rounds, {processors} processors, {}, {}\n", version(env!("CARGO")), version("rustc"));
}
