use daemonic::daemon;

#[daemon(restart = "always")]
fn restart() {}

#[daemon(respawn = "always", startretries = 3, backoff = "1s", kill_mode = "end")]
fn others() {}

fn main() {
    let _ = restart("start");
    let _ = others("start");
}
