use daemonic::repeat_daemon;

#[repeat_daemon(cron = "0 0 30 2 *", timezone = "Europe/Berlin")]
fn example() {}

fn main() {
    let _ = example("start");
}
