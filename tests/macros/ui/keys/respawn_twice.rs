use daemonic::{Respawn, daemon};

#[daemon(respawn = "always", respawn = Respawn::Never)]
fn example() {}

fn main() {
    let _ = example("start");
}
