use daemonic::daemon;

#[daemon(stderr = 'x')]
fn example() {}

fn main() {
    let _ = example("start");
}
