use daemonic::daemon;

#[daemon(stop_signal = "SIGSTOP")]
fn example() {}

fn main() {
    let _ = example("start");
}
