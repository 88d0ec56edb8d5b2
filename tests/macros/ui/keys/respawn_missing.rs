use daemonic::{daemon, repeat_daemon};

#[daemon(respawn_delay = "2s", respawn_limit = 3, children = "end")]
fn once() {}

#[repeat_daemon(every = "5s", respawn_limit = 3)]
fn often() {}

fn main() {
    let _ = once("start");
    let _ = often("start");
}
