//! Correct uses and their expansions, in crates of users: in every edition, and under every lint
//! that users may enable, the compiler and clippy report nothing.
//!
//! `uses/` has programs. `expand/` has fns and their expansions, as a reader of the documentation
//! would paste them. One call of clippy checks all of them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{repository, tool_or_skip};

/// A crate of a user.
struct Crate {
    name: &'static str,
    edition: &'static str,
    /// The name under which it depends on this crate.
    dependency: &'static str,
    /// The directory of its programs.
    programs: Option<&'static str>,
    /// The ending of the files in `expand/` that are the modules of its library.
    modules: Option<&'static str>,
}

const CRATES: &[Crate] = &[
    Crate { programs: Some("tests/macros/uses/2015"), ..Crate::new("users-2015", "2015") },
    Crate { programs: Some("tests/macros/uses"), modules: Some(INPUT), ..Crate::new("users-2018", "2018") },
    Crate { programs: Some("tests/macros/uses"), modules: Some(INPUT), ..Crate::new("users-2021", "2021") },
    Crate { programs: Some("tests/macros/uses"), modules: Some(INPUT), ..Crate::new("users-2024", "2024") },
    Crate { modules: Some(EXPANSION), ..Crate::new("pasted", "2024") },
    Crate {
        dependency: "services",
        programs: Some("tests/macros/uses/renamed"),
        ..Crate::new("renamed", "2024")
    },
];

/// The endings of the files in `expand/`.
const INPUT: &str = ".rs";
const EXPANSION: &str = ".expanded.rs";

/// Lints that a user may enable and that `warnings` does not include.
const LINTS: &[&str] = &[
    "-Dwarnings",
    "-Dclippy::pedantic",
    "-Dclippy::nursery",
    "-Aclippy::missing_const_for_fn", // would be right about a body, but not about a daemon
    "-Aclippy::redundant_pub_crate",  // contradicts unreachable_pub
    "-Dclippy::allow_attributes_without_reason",
    "-Dclippy::shadow_unrelated",
    "-Dfuture_incompatible",
    "-Dkeyword_idents",
    "-Dlet_underscore",
    "-Dmissing_copy_implementations",
    "-Dmissing_debug_implementations",
    "-Dmissing_docs",
    "-Dnonstandard_style",
    "-Dredundant_imports",
    "-Dredundant_lifetimes",
    "-Drust_2018_idioms",
    "-Drust_2021_compatibility",
    "-Drust_2024_compatibility",
    "-Dsingle_use_lifetimes",
    "-Dtrivial_casts",
    "-Dtrivial_numeric_casts",
    "-Dunit_bindings",
    "-Dunnameable_types",
    "-Dunreachable_pub",
    "-Dunused",
    "-Dunused_import_braces",
    "-Dunused_lifetimes",
    "-Dunused_qualifications",
    "-Dunused_results",
    "-Dvariant_size_differences",
    "-Funsafe_code",
];

#[test]
fn neither_uses_nor_their_expansions_are_complained_about() {
    if !tool_or_skip(&[env!("CARGO"), "clippy", "--version"]) {
        return;
    }
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uses");
    write_workspace(&workspace);
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--workspace", "--keep-going", "--no-deps", "--offline", "--quiet"])
        .arg("--target-dir")
        .arg(workspace.join("target"))
        .arg("--")
        .args(LINTS)
        .current_dir(&workspace)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes the crates, with the same versions of their dependencies as here.
fn write_workspace(folder: &Path) {
    let members: Vec<_> = CRATES.iter().map(|it| it.name).collect();
    write(&folder.join("Cargo.toml"), &format!("[workspace]\nmembers = {members:?}\nresolver = \"2\"\n"));
    write(&folder.join("Cargo.lock"), &fs::read_to_string(here("Cargo.lock")).unwrap());
    for it in CRATES {
        write(&folder.join(it.name).join("Cargo.toml"), &it.manifest());
        write(&folder.join(it.name).join("src/lib.rs"), &it.library());
    }
}

impl Crate {
    const fn new(name: &'static str, edition: &'static str) -> Self {
        Self { name, edition, dependency: "daemonic", programs: None, modules: None }
    }

    fn manifest(&self) -> String {
        let Self { name, edition, dependency, .. } = self;
        let mut manifest = format!("[package]\nname = {name:?}\nedition = {edition:?}\n");
        if self.modules == Some(EXPANSION) {
            // Then clippy proposes nothing that the macros could not print with this version.
            writeln!(manifest, "rust-version = {:?}", env!("CARGO_PKG_RUST_VERSION")).unwrap();
        }
        write!(
            manifest,
            "\n[dependencies]\n{dependency} = {{ package = \"daemonic\", path = \"{root}\", features = [\"cron\"] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n",
            root = here("").display(),
        )
        .unwrap();
        for program in self.programs.map(rust_files).unwrap_or_default() {
            let name = stem(&program);
            write!(manifest, "\n[[bin]]\nname = \"{name}\"\npath = \"{}\"\n", program.display()).unwrap();
        }
        manifest
    }

    fn library(&self) -> String {
        let mut library = String::from(
            "//! Fns as in the documentation, that nobody calls.\n\
             #![allow(dead_code, reason = \"they are for reading\")]\n",
        );
        let Some(ending) = self.modules else {
            return library;
        };
        library += "mod prelude {\n    pub(crate) use ::daemonic as services;\n}\n";
        let is_module = |path: &PathBuf| path.to_str().unwrap().ends_with(EXPANSION) == (ending == EXPANSION);
        let modules: Vec<_> = rust_files("tests/macros/expand").into_iter().filter(is_module).collect();
        assert!(modules.len() >= 10, "only {modules:?}");
        library.extend(modules.iter().map(|path| module(path)));
        if ending == INPUT {
            library += "#[macro_use]\nextern crate daemonic;\n";
            library.extend(rust_files("tests/macros/uses/modules").iter().map(|path| module(path)));
        }
        library
    }
}

fn module(path: &Path) -> String {
    format!("/// Is there.\n#[path = \"{}\"]\npub mod {};\n", path.display(), stem(path))
}

/// Returns a file's name without its endings.
fn stem(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(here(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect();
    files.sort();
    files
}

fn here(path: &str) -> PathBuf {
    repository().join(path)
}

/// Writes a file, unless it has this text already, so that cargo does not build it again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
