use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", timezone = "Europe/Berlin")]
fn example() {}

fn main() {
    let _ = example("start");
}
