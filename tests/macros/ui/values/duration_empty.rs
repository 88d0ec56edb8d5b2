use daemonic::daemon;

#[daemon(stop_timeout = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
