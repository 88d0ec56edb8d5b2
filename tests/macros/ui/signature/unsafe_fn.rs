use daemonic::daemon;

#[daemon]
unsafe fn example() {}

fn main() {
    let _ = example("start");
}
