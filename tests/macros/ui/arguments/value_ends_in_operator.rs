use daemonic::daemon;

#[daemon(umask = 0o20 +)]
fn example() {}

fn main() {
    let _ = example("start");
}
