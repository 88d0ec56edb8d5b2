use daemonic::repeat_daemon;

#[repeat_daemon(cron = "30 3 * * *", every = "5s")]
fn example() {}

fn main() {
    let _ = example("start");
}
