//! The program `subject` with the feature `cron`.

#[path = "subject.rs"]
mod subject;

fn main() -> std::process::ExitCode {
    subject::main()
}
