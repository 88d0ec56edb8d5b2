use daemonic::repeat_daemon;

#[repeat_daemon]
fn example() {}

fn main() {
    let _ = example("start");
}
