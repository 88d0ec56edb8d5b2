use daemonic::daemon;

#[daemon]
static EXAMPLE: u8 = 3;

fn main() {}
