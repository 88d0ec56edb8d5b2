use daemonic::daemon;

#[daemon(version = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
