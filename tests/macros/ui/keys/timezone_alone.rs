use daemonic::repeat_daemon;

#[repeat_daemon(timezone = "Europe/Berlin")]
fn example() {}

fn main() {
    let _ = example("start");
}
