use daemonic::daemon;

#[daemon(stop_signal = "KILL")]
fn example() {}

fn main() {
    let _ = example("start");
}
