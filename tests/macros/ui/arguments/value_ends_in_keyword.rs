use daemonic::daemon;

#[daemon(close_fds = if true)]
fn example() {}

fn main() {
    let _ = example("start");
}
