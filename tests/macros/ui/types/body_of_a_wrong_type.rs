use daemonic::daemon;

#[daemon]
fn example(count: u8) {
    let doubled: u16 = count * 2;
    println!("{doubled}");
}

fn main() {
    let _ = example("start", 3);
}
