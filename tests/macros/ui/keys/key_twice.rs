use daemonic::daemon;

#[daemon(umask = 0o022, pidfile = "/tmp/example.pid", umask = 0o077)]
fn example() {}

fn main() {
    let _ = example("start");
}
