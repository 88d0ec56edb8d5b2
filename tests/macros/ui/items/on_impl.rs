use daemonic::daemon;

struct Example;

#[daemon]
impl Example {}

fn main() {}
