use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", persistent = true, state_file = "/var/lib/example/state")]
fn example() {}

fn main() {
    let _ = example("start");
}
