use daemonic::repeat_daemon;

#[repeat_daemon(every_ms = 500)]
fn example() {}

fn main() {
    let _ = example("start");
}
