use daemonic::repeat_daemon;

#[repeat_daemon(cron = "0 30 3 * * *")]
fn example() {}

fn main() {
    let _ = example("start");
}
