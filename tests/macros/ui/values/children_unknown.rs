use daemonic::daemon;

#[daemon(children = "kill")]
fn example() {}

fn main() {
    let _ = example("start");
}
