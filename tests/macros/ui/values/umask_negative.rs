use daemonic::daemon;

#[daemon(umask = -1)]
fn example() {}

fn main() {
    let _ = example("start");
}
