//! The helper programs, built once for each test binary.

use std::collections::BTreeMap;
use std::env::{self, consts};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::repository;

/// Returns the path of a helper program.
pub fn program(name: &str) -> &'static Path {
    static PROGRAMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        adopt_orphans();
        reset_signals();
        build(&["--package", "daemonic-test-programs", "--bins"])
    });
    programs.iter().find(|path| path.ends_with(name)).expect("a helper program of that name")
}

/// Returns the path of a helper program that needs a feature, built once for each test binary.
pub fn program_with(feature: &str, name: &str) -> PathBuf {
    static PROGRAMS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let _ = program("subject");
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let package = ["--package", "daemonic-test-programs"];
        build(&[&package[..], &["--features", feature, "--bin", name]].concat()).remove(0)
    };
    programs.entry(name.to_owned()).or_insert_with(build).clone()
}

/// Returns the path of the program `subject` with the features of a service, in a binary of its own.
pub fn service_subject() -> &'static Path {
    static PROGRAM: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let arguments =
        ["--package", "daemonic-test-programs", "--features", "service", "--bin", "service_subject"];
    let programs = PROGRAM.get_or_init(|| build(&arguments));
    programs.iter().find(|path| path.ends_with("service_subject")).expect("a program")
}

/// Returns the path of a helper program that needs no C library beside it. Returns `None` if this
/// system cannot link one.
pub fn static_program(name: &str) -> Option<PathBuf> {
    let path = program(name);
    if is_static(path) { Some(path.into()) } else { static_program_with(&[], name) }
}

/// Returns the path of such a program that needs features.
pub fn static_program_with(features: &[&str], name: &str) -> Option<PathBuf> {
    let _ = program("subject");
    static_build(&["--package", "daemonic-test-programs", "--features", &features.join(",")], name)
}

/// Returns the path of a program of another package that needs no C library beside it. Returns `None` if this system
/// cannot link one.
pub fn static_program_of(package: &str, name: &str) -> Option<PathBuf> {
    if env::var_os("DAEMONIC_CARGO").is_none() {
        return static_build(&["--package", package], name);
    }
    build(&["--package", package, "--bin", name]).into_iter().find(|path| is_static(path))
}

/// Builds a program with a static C library.
fn static_build(package: &[&str], name: &str) -> Option<PathBuf> {
    static BUILD: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILD.lock();
    // With a target of its own, the flag does not apply to macros, and the usual build stays as it is.
    let target = format!("{}-unknown-linux-gnu", consts::ARCH);
    let flags = format!(r#"target.{target}.rustflags=["-Ctarget-feature=+crt-static"]"#);
    let arguments = ["--bin", name, "--target", &target, "--config", &flags];
    let programs = build_by(env!("CARGO").as_ref(), &[package, &arguments[..]].concat());
    programs?.into_iter().find(|path| path.ends_with(name) && is_static(path))
}

/// Returns whether a program names no dynamic linker in its headers.
fn is_static(program: &Path) -> bool {
    let output = Command::new("readelf").arg("-lW").arg(program).output().expect("readelf runs");
    output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("INTERP")
}

/// Builds programs, and returns their paths. `DAEMONIC_CARGO` is a command that does what cargo
/// does, but for another target.
pub fn build(arguments: &[&str]) -> Vec<PathBuf> {
    let cargo = env::var_os("DAEMONIC_CARGO").unwrap_or_else(|| env!("CARGO").into());
    build_by(&cargo, arguments).expect("the programs build")
}

/// Builds a library, and returns the path of what rustc links. `deps` beside it has what that needs.
pub fn library(package: &str) -> PathBuf {
    let messages = messages(env!("CARGO").as_ref(), &["--package", package, "--lib"]);
    let name = format!("lib{}.rlib", package.replace('-', "_"));
    let messages = messages.expect("the library builds");
    let mut paths = messages.split('"').map(Path::new);
    paths.find(|path| path.ends_with(&name)).expect("a library").into()
}

fn build_by(cargo: &OsStr, arguments: &[&str]) -> Option<Vec<PathBuf>> {
    Some(messages(cargo, arguments)?.lines().filter_map(executable).collect())
}

/// Builds something, and returns what cargo reports about it.
fn messages(cargo: &OsStr, arguments: &[&str]) -> Option<String> {
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(repository())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
}

/// Reads `{…,"executable":"/target/debug/subject",…}`.
fn executable(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(r#""executable":""#)?;
    Some(rest.split_once('"')?.0.into())
}

/// Makes this process the parent of all daemons that the tests start, so that it learns how they
/// end.
fn adopt_orphans() {
    nix::sys::prctl::set_child_subreaper(true).expect("a child subreaper");
}

/// Undoes what a shell does to the signals of a command in the background, which the daemons would
/// inherit.
#[allow(unsafe_code, reason = "there is no safe signal")]
fn reset_signals() {
    for number in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        // SAFETY: the default disposition calls nothing of ours.
        unsafe { signal(number, SigHandler::SigDfl) }.expect("a default");
    }
}
