//! `check`: what fails in the launcher before anything changes.

use common::Subject;

#[test]
fn a_check_that_fails_leaves_the_daemon_alone() {
    let subject = Subject::new().key("check", "").body("print up; park");
    subject.act("check").says(0, "subject: check passed");
    let daemon = subject.start();
    let subject = subject.key("check", "fail no port");
    subject.act("check").fails(1, "subject: check failed: no port: the cause");
    for action in ["start", "restart", "run"] {
        subject.act(action).fails(1, "subject: failed to start: no port: the cause");
        subject.act("status").runs(daemon);
    }
    subject.act("stop").says(0, &format!("subject: stopped (pid {daemon})"));
    subject.left_nothing();
}

#[test]
fn without_the_key_there_is_nothing_to_check() {
    let text = "subject: there is nothing to check; the action `check` needs the key `check`";
    Subject::new().body("park").act("check").fails(2, text);
}
