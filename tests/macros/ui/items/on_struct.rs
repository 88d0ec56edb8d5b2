use daemonic::daemon;

#[daemon]
struct Example;

fn main() {}
