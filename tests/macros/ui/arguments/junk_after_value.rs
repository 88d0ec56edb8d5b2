use daemonic::daemon;

#[daemon(pidfile = "/tmp/example.pid" @)]
fn example() {}

fn main() {
    let _ = example("start");
}
