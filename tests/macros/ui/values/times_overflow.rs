use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", times = 18_446_744_073_709_551_616)]
fn example() {}

fn main() {
    let _ = example("start");
}
