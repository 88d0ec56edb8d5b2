use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", state = "/var/lib/example/state")]
fn example() {}

fn main() {
    let _ = example("start");
}
