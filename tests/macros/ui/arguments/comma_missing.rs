use daemonic::daemon;

#[daemon(pidfile = "/tmp/example.pid" umask = 0o022)]
fn example() {}

fn main() {
    let _ = example("start");
}
