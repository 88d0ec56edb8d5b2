use daemonic::repeat_daemon;

#[repeat_daemon(every = "5 ticks")]
fn example() {}

fn main() {
    let _ = example("start");
}
