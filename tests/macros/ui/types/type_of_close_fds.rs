use daemonic::daemon;

#[daemon(close_fds = "no")]
fn example() {}

fn main() {
    let _ = example("start");
}
