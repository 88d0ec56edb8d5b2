use daemonic::daemon;

#[daemon(respawn = "always", respawn_limit = 4_294_967_296)]
fn example() {}

fn main() {
    let _ = example("start");
}
