use daemonic::daemon;

#[daemon]
example!();

#[macro_export]
macro_rules! example {
    () => {};
}

fn main() {}
