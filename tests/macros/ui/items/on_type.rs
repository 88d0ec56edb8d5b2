use daemonic::daemon;

#[daemon]
type Example = u8;

fn main() {}
