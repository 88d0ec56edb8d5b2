use daemonic::daemon;

#[daemon]
safe fn example() {}

fn main() {
    let _ = example("start");
}
