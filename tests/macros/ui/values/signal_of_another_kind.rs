use daemonic::daemon;

#[daemon(stop_signal = "SIGSEGV")]
fn example() {}

fn main() {
    let _ = example("start");
}
