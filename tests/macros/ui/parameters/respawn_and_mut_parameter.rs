use daemonic::{daemon, repeat_daemon};

#[daemon(respawn = "on-failure")]
fn once(id: u8, count: &mut u32) {
    *count += u32::from(id);
}

#[repeat_daemon(every = "5s", respawn = "on-failure", setup = 0)]
fn often(state: &mut u32, count: &mut u32) {
    *state += *count;
}

fn main() {
    let _ = once("start", 1, &mut 0);
    let _ = often("start", &mut 0);
}
