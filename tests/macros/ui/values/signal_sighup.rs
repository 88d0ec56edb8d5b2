use daemonic::daemon;

#[daemon(stop_signal = "SIGHUP")]
fn example() {}

fn main() {
    let _ = example("start");
}
