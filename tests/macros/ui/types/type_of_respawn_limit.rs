use daemonic::daemon;

#[daemon(respawn = "always", respawn_limit = "3")]
fn example() {}

fn main() {
    let _ = example("start");
}
