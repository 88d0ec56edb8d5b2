use daemonic::daemon;

#[daemon(pidfile = "$HOME/example.pid", stdout = "~")]
fn example() {}

fn main() {
    let _ = example("start");
}
