use daemonic::repeat_daemon;

#[repeat_daemon(cron = "@reboot")]
fn example() {}

fn main() {
    let _ = example("start");
}
