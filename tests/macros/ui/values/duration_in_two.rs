use daemonic::repeat_daemon;

#[repeat_daemon(every = 5 s, stop_timeout = 1_000ms)]
fn example() {}

fn main() {
    let _ = example("start");
}
