use daemonic::daemon;

fn example(#[daemon] count: u8) {
    println!("{count}");
}

fn main() {
    example(3);
}
