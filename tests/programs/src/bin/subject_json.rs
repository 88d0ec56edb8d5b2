//! The program `subject` with the feature `json`.

#[path = "subject.rs"]
mod subject;

fn main() -> std::process::ExitCode {
    subject::main()
}
