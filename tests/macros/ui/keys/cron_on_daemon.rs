use daemonic::daemon;

#[daemon(cron = "30 3 * * *")]
fn example() {}

fn main() {
    let _ = example("start");
}
