use daemonic::daemon;

#[daemon(respawn = "always", respawn_delay = "0s")]
fn example() {}

fn main() {
    let _ = example("start");
}
