use daemonic::daemon;

#[daemon]
unsafe extern "C" fn example(count: u8, _: ...) {
    println!("{count}");
}

fn main() {
    let _ = example("start", 1);
}
