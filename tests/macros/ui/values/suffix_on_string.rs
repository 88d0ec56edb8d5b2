use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s"s, missed = "skip"foo, stop_signal = "TERM"y)]
fn example() {}

fn main() {
    let _ = example("start");
}
