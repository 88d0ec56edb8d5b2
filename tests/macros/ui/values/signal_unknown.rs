use daemonic::daemon;

#[daemon(stop_signal = "SIGTREM")]
fn example() {}

fn main() {
    let _ = example("start");
}
