use daemonic::repeat_daemon;

#[repeat_daemon(every = -5, stop_timeout = -1.5)]
fn example() {}

fn main() {
    let _ = example("start");
}
