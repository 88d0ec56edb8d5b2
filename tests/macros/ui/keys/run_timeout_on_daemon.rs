use daemonic::daemon;

#[daemon(run_timeout = "1h", retry = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
