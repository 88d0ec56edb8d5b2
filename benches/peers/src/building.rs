//! Building the programs that are compared, and installing them side by side.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::FORMS;

/// Static programs of this crate and by hand.
pub struct Statics {
    /// The C library.
    pub libc: &'static str,
    pub programs: PathBuf,
}

/// Builds every program as its users would, and returns the directory in which they are installed.
pub fn build() -> PathBuf {
    assert!(cargo(env!("CARGO").as_ref(), &["--features", "peers"], &[]), "cargo build failed");
    let built = release();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/by_hand.c");
    let compiler =
        Command::new("cc").args(["-O2", "-static", "-o"]).arg(built.join("by_hand_c")).arg(source).status();
    assert!(
        compiler.is_ok_and(|status| status.success()),
        "a C compiler and a static C library are needed: install gcc and libc6-dev"
    );
    install(&built, &built.join("installed"))
}

/// Builds static programs with link-time optimization that abort at a panic: with musl if rustc has it or
/// `DAEMONIC_CARGO` is a cargo for it, otherwise with glibc.
pub fn build_static() -> Option<Statics> {
    let arch = std::env::consts::ARCH;
    let (musl, gnu) = (format!("{arch}-unknown-linux-musl"), format!("{arch}-unknown-linux-gnu"));
    let settings = [
        ("CARGO_PROFILE_RELEASE_LTO", "fat"),
        ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ];
    let mut bins = vec!["--bin", "by_hand"];
    bins.extend(FORMS.iter().flat_map(|(_, program)| ["--bin", program]));
    let target = release().parent()?.to_owned();
    if let Some(given) = std::env::var_os("DAEMONIC_CARGO") {
        // Such a command names its target and, if it has one, a directory of its own.
        let directory = target.join("peers-musl");
        let directory_of_own = Path::new(&given).parent()?.join("target");
        if !cargo(&given, &bins, &settings) {
            let given = Path::new(&given).display();
            eprintln!("without static programs, which {given} cannot build");
            return None;
        }
        let built = [directory_of_own, target].map(|target| target.join(&musl).join("release"));
        let built = built.iter().find(|built| built.join("plain").is_file())?;
        return Some(Statics { libc: "musl", programs: install(built, &directory) });
    }
    let has_musl = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", &musl])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    let (libc, triple) = if has_musl {
        ("musl", &musl)
    } else {
        eprintln!("static programs are built with glibc; for musl: rustup target add {musl}");
        ("glibc", &gnu)
    };
    let with_target = [&bins[..], &["--target", triple]].concat();
    let flags = ("RUSTFLAGS", "-C target-feature=+crt-static");
    if !cargo(env!("CARGO").as_ref(), &with_target, &[&settings[..], &[flags]].concat()) {
        eprintln!("without static programs, which cargo cannot build for {triple}");
        return None;
    }
    let built = target.join(triple).join("release");
    Some(Statics { libc, programs: install(&built, &built.join("installed")) })
}

fn release() -> PathBuf {
    std::env::current_exe().expect("this program").parent().expect("a directory").to_owned()
}

/// Runs a build, and returns whether it has succeeded.
fn cargo(cargo: &OsStr, options: &[&str], settings: &[(&str, &str)]) -> bool {
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", env!("CARGO_PKG_NAME")])
        .args(options)
        .envs(settings.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    status.is_ok_and(|status| status.success())
}

/// Copies all programs in the same way, and waits until they are on the disk.
///
/// What a linker has just written is in other pages of the cache than a copy, which shows in the time of a start, and
/// what is not on the disk yet counts as the memory of the process that maps it.
fn install(built: &Path, directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).expect("a directory");
    let entries = fs::read_dir(built).expect("the programs").map(|entry| entry.expect("an entry").path());
    for program in entries.filter(|path| path.is_file() && path.extension().is_none()) {
        let copy = directory.join(program.file_name().expect("a name"));
        let _ = fs::remove_file(&copy);
        fs::copy(&program, &copy).expect("a copy");
        File::open(&copy).and_then(|file| file.sync_all()).expect("the disk");
    }
    directory.to_owned()
}
