use daemonic::daemon;

#[daemon(pidfile = dir.join("x"))]
fn example(dir) {}

fn main() {
    let _ = example("start", 3);
}
