//! The helper programs, built once for each test binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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

/// Builds programs, and returns their paths.
pub fn build(arguments: &[&str]) -> Vec<PathBuf> {
    messages(arguments).lines().filter_map(executable).collect()
}

/// Builds something, and returns what cargo says about it.
fn messages(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(repository())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the programs do not build");
    String::from_utf8(output.stdout).expect("text")
}

/// Builds a library, and returns the path of what rustc links. `deps` beside it has what that needs.
pub fn library(package: &str) -> PathBuf {
    let target = messages(&["--package", package, "--lib"]);
    let name = format!("lib{}.rlib", package.replace('-', "_"));
    let mut paths = target.split('"').map(Path::new);
    paths.find(|path| path.ends_with(&name)).expect("a library").into()
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
