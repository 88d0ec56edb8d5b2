use daemonic::daemon;

#[daemon(children = 1)]
fn example() {}

fn main() {
    let _ = example("start");
}
