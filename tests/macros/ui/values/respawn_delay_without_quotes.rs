use daemonic::daemon;

#[daemon(respawn = "always", respawn_delay = 5s)]
fn example() {}

fn main() {
    let _ = example("start");
}
