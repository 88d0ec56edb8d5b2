use daemonic::repeat_daemon;

#[repeat_daemon(times = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
