use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", on_error = 1)]
fn example() {}

fn main() {
    let _ = example("start");
}
