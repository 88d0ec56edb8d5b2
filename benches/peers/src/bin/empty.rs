//! A program that does nothing: what the start of a process costs.

fn main() {}
