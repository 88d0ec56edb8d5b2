use daemonic::repeat_daemon;

#[repeat_daemon(cron = "@daily", timezone = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
