use daemonic::daemon;

#[daemon(name = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
