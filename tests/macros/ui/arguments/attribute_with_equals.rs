use daemonic::daemon;

#[daemon = "/tmp/example.pid"]
fn example() {}

fn main() {
    let _ = example("start");
}
