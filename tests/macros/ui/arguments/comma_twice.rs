use daemonic::daemon;

#[daemon(pidfile = "/tmp/example.pid",, umask = 0)]
fn example() {}

fn main() {
    let _ = example("start");
}
