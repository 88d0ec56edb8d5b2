use daemonic::daemon;

#[daemon(pidfile = std::env::)]
fn example() {}

fn main() {
    let _ = example("start");
}
