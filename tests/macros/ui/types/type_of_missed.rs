use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", missed = true)]
fn example() {}

fn main() {
    let _ = example("start");
}
