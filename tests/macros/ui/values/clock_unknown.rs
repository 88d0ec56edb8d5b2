use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", clock = "boottime")]
fn example() {}

fn main() {
    let _ = example("start");
}
