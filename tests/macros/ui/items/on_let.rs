use daemonic::daemon;

fn main() {
    #[daemon]
    let example = 3;
    let _ = example;
}
