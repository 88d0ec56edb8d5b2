use daemonic::repeat_daemon;

#[repeat_daemon(evry = "5s")]
fn example() {}

fn main() {
    let _ = example("start");
}
