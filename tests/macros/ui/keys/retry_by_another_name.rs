use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", max_attempts = 3, retry_backoff = "2s", timeout = "1h")]
fn example() {}

fn main() {
    let _ = example("start");
}
