use daemonic::daemon;

#[daemon(respawn = "always", respawn_delay = 1)]
fn example() {}

fn main() {
    let _ = example("start");
}
