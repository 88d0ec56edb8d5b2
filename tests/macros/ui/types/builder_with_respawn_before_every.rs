use daemonic::{Daemon, Respawn};
use std::time::Duration;

fn main() {
    let _ = Daemon::new("example").respawn(Respawn::Always).every(Duration::from_secs(5));
}
