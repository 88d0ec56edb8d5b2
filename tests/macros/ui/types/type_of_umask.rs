use daemonic::daemon;

#[daemon(umask = "022")]
fn example() {}

fn main() {
    let _ = example("start");
}
