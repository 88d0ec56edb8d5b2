use daemonic::daemon;

#[daemon(cwd = "/tmp")]
fn example() {}

fn main() {
    let _ = example("start");
}
