use daemonic::daemon;

#[daemon(daemonic::pidfile = "/tmp/example.pid")]
fn example() {}

fn main() {
    let _ = example("start");
}
