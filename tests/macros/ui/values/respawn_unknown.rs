use daemonic::daemon;

#[daemon(respawn = "on_failure")]
fn underscore() {}

#[daemon(respawn = "unless-stopped")]
fn elsewhere() {}

fn main() {
    let _ = underscore("start");
    let _ = elsewhere("start");
}
