use daemonic::daemon;

#[daemon]
enum Example {}

fn main() {}
