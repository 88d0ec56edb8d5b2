use daemonic::daemon;

#[daemon(stop_timeout = "5 parsecs")]
fn example() {}

fn main() {
    let _ = example("start");
}
