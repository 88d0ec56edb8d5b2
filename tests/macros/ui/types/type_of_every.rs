use daemonic::repeat_daemon;

#[repeat_daemon(every = 5)]
fn example() {}

fn main() {
    let _ = example("start");
}
