use std::time::Duration;

use daemonic::{Clock, Daemon, Missed};

fn main() {
    let _ = (Clock::Boot, Missed::Skip, Duration::ZERO);
    let _ = Daemon::new("example").cron("@daily").missed(Missed::Burst);
}
