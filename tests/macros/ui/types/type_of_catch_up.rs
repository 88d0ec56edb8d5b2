use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", catch_up = "yes")]
fn example() {}

fn main() {
    let _ = example("start");
}
