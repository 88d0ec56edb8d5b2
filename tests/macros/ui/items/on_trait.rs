use daemonic::daemon;

#[daemon]
trait Example {}

fn main() {}
