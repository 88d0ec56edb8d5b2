use daemonic::daemon;

#[daemon]
pub use std::fs;

fn main() {}
