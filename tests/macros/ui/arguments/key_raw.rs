use daemonic::daemon;

#[daemon(r#pidfile = "/tmp/example.pid")]
fn example() {}

fn main() {
    let _ = example("start");
}
