use daemonic::daemon;

#[daemon(umask = 0o1777)]
fn example() {}

fn main() {
    let _ = example("start");
}
