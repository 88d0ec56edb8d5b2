use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", run_timeout = 1h)]
fn example() {}

fn main() {
    let _ = example("start");
}
