use daemonic::daemon;

#[daemon]
fn example(std::ops::Range { start, end }: std::ops::Range<u8>) {
    println!("{start} {end}");
}

fn main() {
    let _ = example("start", 1..2);
}
