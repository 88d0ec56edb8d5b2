use daemonic::daemon;

#[daemon(pidfle = "/tmp/example.pid")]
fn example() {}

fn main() {
    let _ = example("start");
}
