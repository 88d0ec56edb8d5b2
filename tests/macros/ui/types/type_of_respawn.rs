use daemonic::daemon;

#[daemon(respawn = 1)]
fn example() {}

fn main() {
    let _ = example("start");
}
