use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", on_error = "retry")]
fn example() {}

fn main() {
    let _ = example("start");
}
