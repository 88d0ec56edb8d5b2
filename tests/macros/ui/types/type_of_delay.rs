use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", delay = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
