//! The command line of a whole program: options, an action, the arguments of the body.

use std::path::Path;

use common::{Answer, Subject, program, program_with};

/// Runs a program with arguments.
#[track_caller]
fn run(subject: &Subject, program: &Path, arguments: &[&str]) -> Answer {
    let mut command = subject.command(program);
    command.args(arguments);
    Answer::of(command)
}

/// Runs a whole program.
#[track_caller]
fn whole(subject: &Subject, arguments: &[&str]) -> Answer {
    run(subject, program("whole"), arguments)
}

/// Fails unless a line of the usage text begins with a word.
#[track_caller]
fn names(usage: &str, word: &str) {
    let words = usage.lines().filter_map(|line| line.split_whitespace().next());
    assert!(words.into_iter().any(|first| first == word), "no {word} in {usage}");
}

#[test]
fn arguments_after_the_action_are_the_bodys() {
    let subject = Subject::new();
    let arguments = ["start", "--json", "--all", "-n", "--version", "--help", "-x"];
    assert_eq!(whole(&subject, &arguments).status.code(), Some(0));
    subject.log_with("--json --all -n --version --help -x");
    // Of an action without a body, too, unless it is an option of ours that would have no effect.
    let answer = whole(&subject, &["status", "--colour", "--json"]);
    assert!(answer.stdout.starts_with("whole: running (pid "), "{answer:?}");
    let answer = whole(&subject, &["stop", "--all"]);
    assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""));
    let text = "whole: the option `--all` stands before the action, as in `--all stop`\nusage: whole ";
    assert!(answer.stderr.starts_with(text), "{answer:?}");
    assert_eq!(whole(&subject, &["stop", "--version"]).status.code(), Some(0));
    subject.left_nothing();
}

#[test]
fn an_unknown_option_is_2_and_touches_nothing() {
    let subject = Subject::new();
    for option in ["-x", "--colour", "--json=yes", "--JSON", "-", "--"] {
        let answer = whole(&subject, &[option, "start"]);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""), "{answer:?}");
        let text = format!("whole: unknown option `{option}`; use --all\nusage: whole ");
        assert!(answer.stderr.starts_with(&text), "{answer:?}");
    }
    subject.left_nothing();
    assert!(!subject.log().exists());
}

#[test]
fn all_daemons_can_be_asked_and_stopped_but_not_started() {
    let subject = Subject::new();
    for action in ["start", "restart", "ensure", "reload", "run", "check", "logs"] {
        let answer = whole(&subject, &["--all", action]);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""), "{answer:?}");
        let text = format!("whole: `--all` goes with `status` and `stop` only, not with `{action}`\n");
        assert!(answer.stderr.starts_with(&text), "{answer:?}");
    }
    subject.left_nothing();
}

#[test]
fn an_action_or_option_of_a_feature_names_the_feature() {
    let subject = Subject::new();
    let lines = [
        (&["unit"][..], "service"),
        (&["install"], "service"),
        (&["uninstall"], "service"),
        (&["--json", "status"], "json"),
    ];
    for (arguments, feature) in lines {
        let answer = whole(&subject, arguments);
        assert_eq!((answer.status.code(), answer.stdout.as_str()), (Some(2), ""), "{answer:?}");
        let word = arguments[0];
        let text =
            format!("whole: `{word}` needs the feature `{feature}` of the crate `daemonic`\nusage: whole ");
        assert!(answer.stderr.starts_with(&text), "{answer:?}");
    }
    subject.left_nothing();
}

#[test]
fn an_option_without_an_action_lacks_the_action() {
    let subject = Subject::new();
    let answer = whole(&subject, &["--all"]);
    assert_eq!(answer.status.code(), Some(2));
    assert!(answer.stderr.starts_with("whole: missing action; use one of start, "), "{answer:?}");
}

#[test]
fn help_may_follow_options() {
    let subject = Subject::new();
    let usage = whole(&subject, &["help"]).stdout;
    for arguments in [&["--help"][..], &["-h"], &["--all", "help"], &["--json", "--help"], &["-h", "start"]] {
        whole(&subject, arguments).says(0, usage.trim_end_matches('\n'));
    }
    names(&usage, "start");
    names(&usage, "--all");
    assert!(!usage.contains("--json"), "it has no such feature: {usage}");
    let with_json = run(&subject, &program_with("json", "whole_json"), &["--json", "help"]);
    assert_eq!((with_json.status.code(), with_json.stderr.as_str()), (Some(0), ""));
    names(&with_json.stdout, "--json");
    // In the action's arguments, it is the body's.
    assert!(whole(&subject, &["status", "--help"]).stdout.starts_with("whole: not running"));
}

#[test]
fn a_mistake_in_json_comes_without_the_usage_text() {
    let subject = Subject::new();
    let program = program_with("json", "whole_json");
    for arguments in [&["--json"][..], &["--json", "strat"], &["--json", "-x"], &["--json", "--version"]] {
        let answer = run(&subject, &program, arguments);
        assert_eq!((answer.status.code(), answer.stderr.as_str()), (Some(2), ""), "{answer:?}");
        assert!(
            answer.stdout.starts_with("{\"schema\":1,\"name\":\"whole\",\"state\":\"unknown\""),
            "{answer:?}"
        );
        assert_eq!(answer.stdout.lines().count(), 1, "{answer:?}");
    }
    // What comes before the option is refused in text.
    let answer = run(&subject, &program, &["-x", "--json", "status"]);
    assert!(answer.stderr.starts_with("whole: unknown option `-x`; "), "{answer:?}");
    run(&subject, &program, &["--json", "status"]);
}

#[test]
fn the_version_is_printed_after_the_name() {
    let subject = Subject::new().key("version", "1.2.3");
    for arguments in [&["--version"][..], &["-V"], &["--all", "--version"], &["--version", "start"]] {
        whole(&subject, arguments).says(0, "whole 1.2.3");
    }
    names(&whole(&subject, &["help"]).stdout, "--version");
    subject.left_nothing();
    // It is no action.
    assert_eq!(whole(&subject, &["version"]).status.code(), Some(2));
}

#[test]
fn a_version_that_is_not_known_is_an_unknown_option() {
    let subject = Subject::new();
    for option in ["--version", "-V"] {
        let answer = whole(&subject, &[option]);
        assert_eq!(answer.status.code(), Some(2));
        assert!(answer.stderr.starts_with(&format!("whole: unknown option `{option}`; ")), "{answer:?}");
        assert!(!answer.stderr.contains("--version print"), "{answer:?}");
    }
}

#[test]
fn the_version_of_an_attribute_is_the_packages() {
    let subject = Subject::new();
    let ask = |arguments: &[&str]| run(&subject, program("attribute"), arguments);
    ask(&["--version"]).says(0, &format!("attribute {}", env!("CARGO_PKG_VERSION")));
    names(&ask(&["--help"]).stdout, "--version");
}
