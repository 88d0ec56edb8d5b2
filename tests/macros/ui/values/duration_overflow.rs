use daemonic::daemon;

#[daemon(stop_timeout = "99999999999999999999s")]
fn example() {}

fn main() {
    let _ = example("start");
}
