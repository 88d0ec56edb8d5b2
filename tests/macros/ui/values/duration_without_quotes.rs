use daemonic::repeat_daemon;

#[repeat_daemon(every = 5s, stop_timeout = 1.5m)]
fn example() {}

fn main() {
    let _ = example("start");
}
