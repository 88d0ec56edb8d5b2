//! The program `whole` with the feature `json`.

#[path = "whole.rs"]
mod whole;

fn main() -> std::process::ExitCode {
    whole::main()
}
