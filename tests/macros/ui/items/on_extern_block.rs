use daemonic::daemon;

#[daemon]
unsafe extern "C" {}

fn main() {}
