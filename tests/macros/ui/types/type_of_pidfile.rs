use daemonic::daemon;

#[daemon(pidfile = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
