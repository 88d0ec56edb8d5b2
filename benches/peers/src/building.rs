//! Building the programs that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds every program as its users would, and returns the directory that has them.
pub fn build() -> PathBuf {
    cargo(&[], &[]);
    let programs =
        std::env::current_exe().expect("this program").parent().expect("a directory").to_path_buf();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/by_hand.c");
    let compiler = Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .arg(programs.join("by_hand_c"))
        .arg(source)
        .status();
    assert!(compiler.is_ok_and(|status| status.success()), "a C compiler and a static C library");
    programs
}

/// Builds static programs with link-time optimization that abort at a panic, if the system can.
pub fn build_static() -> Option<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let settings = [
        ("RUSTFLAGS", "-C target-feature=+crt-static"),
        ("CARGO_PROFILE_RELEASE_LTO", "fat"),
        ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ];
    cargo(&["--target", &target], &settings);
    let programs = std::env::current_exe().expect("this program");
    Some(programs.parent()?.parent()?.join(target).join("release"))
}

fn cargo(options: &[&str], settings: &[(&str, &str)]) {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--features", "peers"])
        .args(options)
        .envs(settings.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cargo build failed");
}
