use daemonic::daemon;

struct Example {
    #[daemon]
    count: u8,
}

fn main() {
    drop(Example { count: 3 }.count);
}
