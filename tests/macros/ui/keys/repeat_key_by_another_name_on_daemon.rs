use daemonic::daemon;

#[daemon(interval = "5s")]
fn example() {}

fn main() {
    let _ = example("start");
}
