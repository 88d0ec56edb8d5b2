use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", run_timeout = 5)]
fn example() {}

fn main() {
    let _ = example("start");
}
