//! The public surface of the published crates, listed in a `public-api.txt` beside each manifest.
//!
//! A change of it affects users, and is often a breaking one by Semantic Versioning. The listing
//! comes from rustdoc's JSON, which includes the automatic traits (`Send`, `Sync`, …).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use common::repository;

/// Rewrites the listings instead of comparing them.
const UPDATE: &str = "UPDATE_EXPECT";

/// Each package with its directory.
const PACKAGES: [(&str, &str); 4] = [
    ("daemonic", "."),
    ("daemon-macros", "daemon-macros"),
    ("daemon-runtime", "daemon-runtime"),
    ("daemon-schedule", "daemon-schedule"),
];

/// Traits of the compiler's own bookkeeping, which its next version may lack.
const INTERNAL: [&str; 3] = ["marker::Freeze", "marker::StructuralPartialEq", "marker::UnsafeUnpin"];

/// The crates whose types the surface may have. A type of a dependency would let its next version
/// break our users.
const OWN: [&str; 8] =
    ["alloc", "core", "daemon_macros", "daemon_runtime", "daemon_schedule", "daemonic", "std", "str"];

/// The one foreign crate: the traits of clap, and these types, which implement them.
const FOREIGN: (&str, [&str; 2]) = ("clap_builder", ["daemon_runtime::Action", "daemon_runtime::Invocation"]);

/// The surfaces of the packages, in their order.
static SURFACES: LazyLock<[String; 4]> = LazyLock::new(|| PACKAGES.map(|(package, _)| surface(package)));

#[test]
fn the_public_surface_is_as_listed() {
    let mut changes = String::new();
    for ((package, folder), surface) in PACKAGES.into_iter().zip(SURFACES.iter()) {
        let file = repository().join(folder).join("public-api.txt");
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&file, surface).unwrap();
        }
        let listed = fs::read_to_string(&file).unwrap_or_default();
        changes +=
            &difference(&listed, surface).map_or(String::new(), |change| format!("{package}:\n{change}"));
    }
    assert!(
        changes.is_empty(),
        "the public surface has changed:\n{changes}\
         `{UPDATE}=1 cargo test -p daemonic-tests --test docs public_api` rewrites the listings; CHANGELOG.md wants to say it too"
    );
}

#[test]
fn no_type_of_a_dependency_is_in_it_but_traits_of_clap() {
    let (clap, implementors) = FOREIGN;
    for line in SURFACES.iter().flat_map(|surface| surface.lines()) {
        let is_foreign =
            implementors.iter().any(|name| line.contains(&format!("{name}::")) || line.ends_with(name));
        let paths = line.split(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
        for (origin, _) in paths.filter_map(|path| path.split_once("::")) {
            let is_crate = origin.starts_with(char::is_lowercase);
            let is_known = OWN.contains(&origin) || origin == clap && is_foreign;
            assert!(!is_crate || is_known, "a type of `{origin}`: {line}");
        }
    }
}

#[test]
fn a_change_is_told_line_by_line() {
    assert_eq!(difference("pub fn a()\npub fn b()\n", "pub fn b()\npub fn a()\n"), None);
    let change = difference("pub fn a()\npub fn b()\n", "pub fn b()\npub fn c()\n");
    assert_eq!(change.as_deref(), Some("- pub fn a()\n+ pub fn c()\n"));
}

/// Lists the public items of a package, one in a line.
fn surface(package: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    // RUSTC_BOOTSTRAP makes the JSON available on stable. Crates that look for nightly features are
    // compiled differently with it, hence the separate target directory.
    let output = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--package", package, "--lib", "--all-features"])
        // As on docs.rs, so that what is written for it compiles.
        .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cfg", "docsrs"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = target.join("doc").join(package.replace('-', "_")).with_extension("json");
    let listing = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
    let listing = listing.expect("a rustdoc whose JSON this version of public-api reads");
    let lines = listing.items().map(ToString::to_string);
    lines.filter(|line| !INTERNAL.iter().any(|name| line.contains(name))).map(|line| line + "\n").collect()
}

/// Returns the lines that are in one listing only, or `None` if the listings differ at most in
/// order.
fn difference(listed: &str, found: &str) -> Option<String> {
    let [listed, found] = [listed, found].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = listed.difference(&found).map(|line| format!("- {line}\n"));
    let new = found.difference(&listed).map(|line| format!("+ {line}\n"));
    Some(gone.chain(new).collect::<String>()).filter(|change| !change.is_empty())
}
