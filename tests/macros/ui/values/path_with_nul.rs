use daemonic::daemon;

#[daemon(stdout = "/tmp/example\0.log")]
fn example() {}

fn main() {
    let _ = example("start");
}
