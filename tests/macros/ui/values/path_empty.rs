use daemonic::daemon;

#[daemon(pidfile = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
