use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", retry = 4_294_967_296)]
fn example() {}

fn main() {
    let _ = example("start");
}
