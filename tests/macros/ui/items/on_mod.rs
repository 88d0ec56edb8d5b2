use daemonic::daemon;

#[daemon]
mod example {}

fn main() {}
