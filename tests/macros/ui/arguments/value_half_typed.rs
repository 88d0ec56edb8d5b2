use daemonic::daemon;

#[daemon(pidfile = std::env::temp_dir().)]
fn example() {}

fn main() {
    let _ = example("start");
}
