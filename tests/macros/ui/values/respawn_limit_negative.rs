use daemonic::daemon;

#[daemon(respawn = "always", respawn_limit = -1)]
fn example() {}

fn main() {
    let _ = example("start");
}
