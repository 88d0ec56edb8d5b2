use daemonic::daemon;

#[daemon(name = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
