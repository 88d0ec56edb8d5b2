use daemonic::daemon;

#[daemon]
const fn example() {}

fn main() {
    let _ = example("start");
}
