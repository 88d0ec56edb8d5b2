use daemonic::daemon;

#[daemon(crate = nowhere)]
fn example() {}

fn main() {
    let _ = example("start");
}
