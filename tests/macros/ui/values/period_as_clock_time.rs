use daemonic::repeat_daemon;

#[repeat_daemon(every = "1:30")]
fn example() {}

fn main() {
    let _ = example("start");
}
