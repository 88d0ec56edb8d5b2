//! `check`: what fails in the launcher before anything changes.

use std::fs;

use common::{Answer, Subject, program, root_or_skip};

const FAILS: &str = "subject: failed to start: no port: the cause";
const CHECK_FAILS: &str = "subject: check failed: no port: the cause";

#[test]
fn a_check_that_fails_leaves_the_daemon_alone() {
    let subject = Subject::new().key("check", "").body("print up; park");
    subject.act("check").says(0, "subject: check passed");
    subject.left_nothing();
    let daemon = subject.start();
    subject.act("check").says(0, "subject: check passed");
    let subject = subject.key("check", "fail no port");
    subject.act("check").fails(1, CHECK_FAILS);
    for action in ["start", "restart", "run"] {
        subject.act(action).fails(1, FAILS);
        subject.act("status").runs(daemon);
    }
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn a_check_that_fails_starts_nothing() {
    let subject = Subject::new().key("check", "fail no port").body("print up; park");
    subject.act("check").fails(1, CHECK_FAILS);
    for action in ["start", "restart", "run"] {
        subject.act(action).fails(1, FAILS);
        subject.left_nothing();
    }
    subject.act("status").says(3, "subject: not running");
}

#[test]
fn a_check_that_passes_is_followed_by_the_action() {
    let subject = Subject::new().key("check", "").body("park");
    let first = subject.start();
    let second = subject.act("restart").pid();
    assert_ne!(first, second);
    first.wait_until_gone();
    subject.act("stop").says(0, &format!("subject: stopped (pid {second})"));
    subject.body("print the body").act("run").says(0, "the body");
}

#[test]
fn the_other_actions_do_not_check() {
    let subject = Subject::new().key("check", "fail no port").body("park");
    subject.act("status").says(3, "subject: not running");
    subject.act("stop").says(0, "subject: not running");
    subject.act("reload").fails(1, "subject: not running");
}

#[test]
fn without_the_key_there_is_nothing_to_check() {
    let text = "subject: there is nothing to check; the action `check` needs the key `check`";
    Subject::new().body("park").act("check").fails(2, text);
}

#[test]
fn keys_that_do_not_fit_are_refused_without_a_check() {
    let subject = Subject::new().key("check", "print checked").body("park");
    let subject = subject.key("wait_ready", "1000");
    let text =
        "subject: check failed: `wait_ready` needs a body with a `Context`, which reports that it is ready";
    subject.act("check").fails(1, text);
    let subject = subject.without("wait_ready").key("every", "0");
    subject.act("check").fails_naming(1, &["subject: check failed: ", "every"]);
    let subject = subject.without("every").key("user", "no-such-user");
    subject.act("check").fails_naming(1, &["subject: check failed: ", "no-such-user"]);
}

#[test]
fn a_check_needs_no_privileges() {
    if !root_or_skip() {
        return;
    }
    let subject = Subject::new().open_to_all().key("check", "").key("user", "root").body("park");
    Answer::of(subject.by_nobody("check")).says(0, "subject: check passed");
    let text =
        "subject: permission denied: cannot become user root without being root: Operation not permitted";
    Answer::of(subject.by_nobody("start")).fails_naming(4, &[text]);
    let subject = subject.key("check", "fail no port");
    Answer::of(subject.by_nobody("check")).fails(1, CHECK_FAILS);
}

#[test]
fn a_check_that_panics_changes_nothing() {
    let subject = Subject::new().key("check", "").body("park");
    let daemon = subject.start();
    let subject = subject.key("check", "panic bad luck");
    for action in ["check", "start", "restart", "run"] {
        let answer = subject.act(action);
        assert!(answer.status.code() == Some(101) && answer.stderr.contains("bad luck"), "{answer:?}");
        subject.act("status").runs(daemon);
    }
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn a_check_comes_before_the_setup() {
    let subject =
        Subject::new().key("check", "fail no port").key("setup", "fail too late").every(10, "print up");
    subject.act("start").fails(1, FAILS);
    let subject = subject.key("check", "");
    subject.act("check").says(0, "subject: check passed");
    subject.act("start").fails_naming(1, &["subject: failed to start: ", "too late"]);
    let subject = subject.key("setup", "");
    let daemon = subject.start();
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
}

#[test]
fn the_key_of_the_attribute_checks_with_the_parameters() {
    let subject = Subject::of(program("checked"));
    let port = subject.path("port");
    let subject = subject.key("port", &port);
    let missing = format!("{}: No such file or directory (os error 2)", port.display());
    subject.act("check").fails(1, &format!("checked: check failed: {missing}"));
    subject.act("start").fails(1, &format!("checked: failed to start: {missing}"));
    fs::write(&port, "8080\n").unwrap();
    subject.act("check").says(0, "checked: check passed");
    let daemon = subject.act("start").pid();
    fs::write(&port, "many\n").unwrap();
    let text = format!("{}: invalid digit found in string", port.display());
    subject.act("restart").fails(1, &format!("checked: failed to start: {text}"));
    subject.act("status").pid();
    subject.act("stop").says(0, &format!("checked: stopped (pid {daemon})"));
}
