use daemonic::repeat_daemon;

#[repeat_daemon(cron = "30 3 * * *", delay = "1m", clock = "boot", missed = "burst")]
fn example() {}

fn main() {
    let _ = example("start");
}
