use daemonic::daemon;

#[daemon]
fn example((a, b): (u8, u8)) {
    println!("{a} {b}");
}

fn main() {
    let _ = example("start", (1, 2));
}
