use daemonic::repeat_daemon;

#[repeat_daemon(every = "5s", catch_up = true, pidfile = "/run/example", state = "/run/example")]
fn example() {}

fn main() {
    let _ = example("start");
}
