use daemonic::daemon;

#[daemon]
union Example {
    count: u8,
}

fn main() {}
