use daemonic::{Context, Daemon, Respawn};
use std::time::Duration;

fn main() {
    let mut lives = 0;
    let _ = Daemon::new("once").respawn(Respawn::Always).start(|| lives += 1);
    let mut runs = 0;
    let daemon = Daemon::new("often").every(Duration::from_secs(5)).respawn(Respawn::OnFailure);
    let _ = daemon.start(|context: &Context| {
        runs += 1;
        context.ready();
    });
}
