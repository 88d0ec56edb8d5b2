use daemonic::daemon;

#[daemon(user = true, group = 3.5)]
fn example() {}

fn main() {
    let _ = example("start");
}
