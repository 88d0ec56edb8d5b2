use daemonic::daemon;

#[daemon(umask = 22)]
fn example() {}

fn main() {
    let _ = example("start");
}
