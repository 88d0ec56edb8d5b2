//! The compiler's message for each mistake, which is a file below `ui/`.

use std::fs;
use std::process::Command;

/// `TRYBUILD=overwrite` rewrites the messages that are expected.
#[test]
fn mistakes_are_reported_where_they_are_made() {
    // With failing cases only, trybuild checks all of them by one call of cargo.
    trybuild::TestCases::new().compile_fail("macros/ui/*/*.rs");
}

/// In the edition 2015 a trait's fn may have a parameter without a name, of which the attribute sees the same tokens as
/// of a parameter that is being typed.
#[test]
fn a_parameter_without_a_name_is_refused_when_the_program_is_built() {
    let directory = tempfile::tempdir().unwrap();
    let library = common::library("daemonic");
    for (params, is_accepted) in [("u8", false), ("&str, b: u8", false), ("_a: u8, _b: &str", true)] {
        let source = directory.path().join("source.rs");
        let program = format!(
            "extern crate daemonic; struct S; impl T for S {{}}
             trait T {{ #[daemonic::daemon] fn f({params}) {{}} }}
             fn main() {{ let f: fn(&str, _, _) -> _ = |a, b, c| {call}; let _ = (f)(\"status\", 1, \"x\"); }}",
            call = match params {
                "u8" => "{ let _: &str = c; S::f(a, b) }",
                "&str, b: u8" => "S::f(a, c, b)",
                _ => "S::f(a, b, c)",
            }
        );
        fs::write(&source, program).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2015", "-o"]).arg(directory.path().join("program")).arg(&source);
        rustc.arg("--extern").arg(format!("daemonic={}", library.display()));
        let output = rustc.arg("-L").arg(library.with_file_name("deps")).output().expect("rustc runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_accepted, "{params}: {text}");
        assert!(
            is_accepted || text.contains("a daemon's parameter needs a name; write `name: Type`"),
            "{text}"
        );
    }
}

/// The library that is linked here has no features.
#[test]
fn the_feature_is_named_where_cron_is_used_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let library = common::library("daemonic");
    for (program, message) in [
        (
            r#"#[daemonic::repeat_daemon(cron = "30 3 * * *", timezone = "Europe/Berlin")] fn f() {} fn main() { let _ = f("status"); }"#,
            "error: `cron` needs the feature `cron` of the crate `daemonic`; write `features = [\"cron\"]` in Cargo.toml",
        ),
        (
            r#"fn main() { let _ = daemonic::Daemon::new("x").cron("30 3 * * *").start(|| ()); }"#,
            "::EnableTheFeatureCronOfDaemonic` in the current scope",
        ),
    ] {
        let source = directory.path().join("source.rs");
        fs::write(&source, program).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-o"]).arg(directory.path().join("program")).arg(&source);
        rustc.arg("--extern").arg(format!("daemonic={}", library.display()));
        let output = rustc.arg("-L").arg(library.with_file_name("deps")).output().expect("rustc runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(message), "{text}");
        assert!(text.contains("aborting due to 1 previous error"), "{text}");
    }
}
