use daemonic::daemon;

#[daemon]
const EXAMPLE: u8 = 3;

fn main() {}
