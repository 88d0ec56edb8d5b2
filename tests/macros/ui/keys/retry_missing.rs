use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", retry_delay = "2s")]
fn example() {}

fn main() {
    let _ = example("start");
}
