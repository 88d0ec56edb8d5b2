use daemonic::daemon;

#[daemon(close_fds = !)]
fn example() {}

fn main() {
    let _ = example("start");
}
