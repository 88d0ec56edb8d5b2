//! A whole program by the attribute.

#[daemonic::daemon]
fn main() {}
