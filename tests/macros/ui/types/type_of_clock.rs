use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", clock = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
