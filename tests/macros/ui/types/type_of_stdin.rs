use daemonic::daemon;

#[daemon(stdin = false)]
fn example() {}

fn main() {
    let _ = example("start");
}
