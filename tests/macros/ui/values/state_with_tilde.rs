use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", catch_up = true, state = "~/example.state")]
fn example() {}

fn main() {
    let _ = example("start");
}
