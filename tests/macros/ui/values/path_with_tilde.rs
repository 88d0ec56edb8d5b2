use daemonic::daemon;

#[daemon(pidfile = "~/example.pid")]
fn example() {}

fn main() {
    let _ = example("start");
}
