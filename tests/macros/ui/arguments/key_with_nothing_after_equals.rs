use daemonic::daemon;

#[daemon(pidfile = , umask = 0o022)]
fn example() {}

fn main() {
    let _ = example("start");
}
