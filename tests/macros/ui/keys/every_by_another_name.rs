use daemonic::repeat_daemon;

#[repeat_daemon(seconds = 5)]
fn example() {}

fn main() {
    let _ = example("start");
}
