use daemonic::daemon;

fn main() {
    let example = #[daemon]
    |count: u8| count + 1;
    let _ = example(3);
}
