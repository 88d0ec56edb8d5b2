use daemonic::daemon;

#[daemon]
macro_rules! example {
    () => {};
}

example!();

fn main() {}
