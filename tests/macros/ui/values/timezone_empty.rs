use daemonic::repeat_daemon;

#[repeat_daemon(cron = "@daily", timezone = "")]
fn example() {}

fn main() {
    let _ = example("start");
}
