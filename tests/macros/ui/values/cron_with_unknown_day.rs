use daemonic::repeat_daemon;

#[repeat_daemon(cron = "30 3 * * MONDAY")]
fn example() {}

fn main() {
    let _ = example("start");
}
