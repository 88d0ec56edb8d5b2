use daemonic::daemon;

struct Unspeakable;

#[daemon(check = 80)]
fn number() {}

#[daemon(check = Some(80))]
fn option() {}

#[daemon(check = Err::<u16, _>(Unspeakable))]
fn error() {}

fn main() {}
