use std::time::Duration;

use daemonic::daemon;

#[daemon(pidfle = "/tmp/example.pid", umask = "022", stop_timeout = Duration::from_secs(5))]
fn example(count: u8) {
    let doubled: u8 = "2";
    println!("{}", count * doubled);
}

fn main() {
    let _ = example("start", 1);
}
