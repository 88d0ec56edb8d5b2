use daemonic::daemon;

#[daemon(stop_timeout = "10")]
fn example() {}

fn main() {
    let _ = example("start");
}
