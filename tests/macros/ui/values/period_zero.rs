use daemonic::repeat_daemon;

#[repeat_daemon(every = "0s")]
fn example() {}

fn main() {
    let _ = example("start");
}
