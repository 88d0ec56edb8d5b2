use daemonic::daemon;

#[daemon(
    /// Where it is.
    pidfile = "/run/example.pid"
)]
fn example() {}

fn main() {
    let _ = example("start");
}
