use daemonic::daemon;

#[daemon]
fn example() -> Option<()> {
    None
}

fn main() {
    let _ = example("start");
}
