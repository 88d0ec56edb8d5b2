use daemonic::daemon;

#[daemon]
fn example(example: u8) {
    println!("{example}");
}

fn main() {
    let _ = example("start", 1);
}
