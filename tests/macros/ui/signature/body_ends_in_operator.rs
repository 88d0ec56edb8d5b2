use daemonic::daemon;

#[daemon]
fn example(count: u8) {
    let doubled = count *
}

fn main() {
    let _ = example("start", 1);
}
