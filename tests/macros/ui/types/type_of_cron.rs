use daemonic::repeat_daemon;

#[repeat_daemon(cron = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
