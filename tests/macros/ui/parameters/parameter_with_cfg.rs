use daemonic::daemon;

#[daemon]
fn example(#[cfg(unix)] count: u8) {
    println!("{count}");
}

fn main() {
    let _ = example("start", 1);
}
