//! Two daemons, `a` and `b`, in one program, each with `NAME.pid` and `NAME.log` in
//! `SUBJECT_FOLDER`.
//!
//! `pair start` starts both. `pair stop NAME` and the like are for one of them. `pair threads` runs
//! both in threads of one process. `pair again` runs `a` twice and keeps the first `Context`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use daemonic::{Context, Daemon};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["start"] => both(|name| daemon(name).start(move |context: &Context| listen(name, context))),
        ["threads"] => threads(),
        ["again"] => again(),
        [action, name] => {
            daemonic::report(daemon(name).dispatch(action, |context: &Context| listen("", context)))
        }
        _ => panic!("no such words: {words:?}"),
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(&env::var_os("SUBJECT_FOLDER").expect("a directory")).join(name)
}

fn daemon(name: &str) -> Daemon {
    Daemon::new(name).pidfile(file(&format!("{name}.pid"))).stdout(file(&format!("{name}.log")))
}

fn both(act: impl Fn(&'static str) -> daemonic::Result) -> ExitCode {
    for name in ["a", "b"] {
        let code = daemonic::report(act(name));
        if code != ExitCode::SUCCESS {
            return code;
        }
    }
    ExitCode::SUCCESS
}

/// Prints each event until the file `end-NAME` exists or a stop comes.
fn listen(name: &str, context: &Context) {
    println!("{name} began, stopping {}", context.is_stopping());
    let end = file(&format!("end-{name}"));
    while !end.exists() {
        match context.next_event(Duration::from_millis(1)) {
            None => {}
            Some(event) => println!("{name} {event:?}"),
        }
        if context.is_stopping() {
            break;
        }
    }
    println!("{name} ends, stopping {}", context.is_stopping());
}

fn threads() -> ExitCode {
    let run = |name: &'static str| {
        thread::spawn(move || {
            let outcome = daemon(name).run(move |context: &Context| listen(name, context)).expect("a run");
            println!("{name} ended: {:?}", outcome.answer());
        })
    };
    let (a, b) = (run("a"), run("b"));
    a.join().and(b.join()).expect("no panic");
    ExitCode::SUCCESS
}

/// A context that is kept from the first run reports a stop at the end of that run, and is not part
/// of the second.
fn again() -> ExitCode {
    static FIRST: OnceLock<Context> = OnceLock::new();
    let is_readable = |context: &Context| {
        let mut fds = [PollFd::new(context.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("a poll") == 1
    };
    let first = daemon("a").run(|context: &Context| {
        let _ = FIRST.set(context.clone());
        println!("first stopping {}", context.is_stopping());
    });
    let second = daemon("a").run(|context: &Context| {
        let first = FIRST.get().expect("the first");
        println!("first stopping {}, readable {}", first.is_stopping(), is_readable(first));
        println!("second stopping {}, readable {}", context.is_stopping(), is_readable(context));
        first.ready();
        println!("second {:?}", context.next_event(Duration::MAX).expect("a stop or a reload"));
        println!("second readable {}", is_readable(context));
    });
    first.and(second).map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS)
}
