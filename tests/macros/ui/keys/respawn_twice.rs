use daemonic::daemon;

#[daemon(respawn = "always", respawn = daemonic::Respawn::Never)]
fn example() {}

fn main() {
    let _ = example("start");
}
