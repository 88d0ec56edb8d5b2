use daemonic::repeat_daemon;

#[repeat_daemon(schedule = "30 3 * * *", tz = "Europe/Berlin")]
fn example() {}

fn main() {
    let _ = example("start");
}
