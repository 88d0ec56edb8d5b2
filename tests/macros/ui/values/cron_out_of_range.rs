use daemonic::repeat_daemon;

#[repeat_daemon(cron = "30 24 * * *")]
fn example() {}

fn main() {
    let _ = example("start");
}
