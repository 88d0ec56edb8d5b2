use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", retry = -1)]
fn example() {}

fn main() {
    let _ = example("start");
}
