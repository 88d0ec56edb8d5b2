use daemonic::daemon;

#[daemon(stop_timeout = "a minute")]
fn example() {}

fn main() {
    let _ = example("start");
}
