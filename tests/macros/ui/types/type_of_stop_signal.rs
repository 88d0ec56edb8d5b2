use daemonic::daemon;

#[daemon(stop_signal = 15)]
fn example() {}

fn main() {
    let _ = example("start");
}
