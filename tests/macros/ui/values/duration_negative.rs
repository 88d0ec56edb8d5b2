use daemonic::daemon;

#[daemon(stop_timeout = "-5s")]
fn example() {}

fn main() {
    let _ = example("start");
}
