use std::time::Duration;

use daemonic::Daemon;

fn main() {
    let daemon = Daemon::new("example").every(Duration::from_secs(5)).setup(String::new);
    let _ = daemon.run(|| {});
}
