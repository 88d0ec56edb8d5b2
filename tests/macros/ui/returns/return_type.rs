use daemonic::daemon;

#[daemon]
fn example() -> u8 {
    3
}

fn main() {
    let _ = example("start");
}
