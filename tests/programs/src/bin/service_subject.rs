//! The program `subject`, with the features of a service of systemd.

use std::process::ExitCode;

#[path = "subject.rs"]
mod subject;

fn main() -> ExitCode {
    subject::main()
}
