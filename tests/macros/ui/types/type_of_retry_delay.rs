use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", retry = 3, retry_delay = 5)]
fn example() {}

fn main() {
    let _ = example("start");
}
