use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s")]
#[daemonic::daemon]
fn example() {}

fn main() {
    let _ = example("start");
}
