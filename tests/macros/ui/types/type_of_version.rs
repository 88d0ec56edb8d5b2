use daemonic::daemon;

#[daemon(version = 1.2)]
fn example() {}

fn main() {
    let _ = example("start");
}
