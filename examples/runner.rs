//! A daemon that runs another program, and starts it again when it ends.
//!
//! Run `cargo run --example runner -- start sleep 60`: the words after the action are the program
//! and its arguments. The program ends with the daemon, and so does all that it has started.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use daemonic::daemon;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let action = words.next();
    let command: Vec<OsString> = words.collect();
    daemonic::report(runner(action, &command))
}

// Each life of the daemon's body borrows the command. `start` fails if the program cannot be run,
// or ends at once.
#[daemon(
    pidfile = home("daemon_runner.pid"),
    stdout = home("daemon_runner.log"),
    wait_alive = "500ms",
    respawn = "always",
    respawn_delay = "500ms",
    children = "end",
)]
fn runner(command: &[OsString]) -> Result<(), String> {
    let [program, arguments @ ..] = command else {
        return Err("no program; write for example `start sleep 60`".into());
    };
    let name = program.to_string_lossy();
    let end = Command::new(program).args(arguments).status();
    let end = end.map_err(|error| format!("cannot run {name}: {error}"))?;
    if end.success() {
        println!("{name} has ended");
        Ok(())
    } else {
        Err(format!("{name} has failed: {end}"))
    }
}

fn home(file: &str) -> PathBuf {
    env::home_dir().expect("a home directory").join(file)
}
