use daemonic::daemon;

#[daemon]
fn example(_: u8) {}

fn main() {
    let _ = example("start", 1);
}
