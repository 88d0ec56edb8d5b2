use daemonic::daemon;

#[daemon]
fn main(count: u8) {
    println!("{count}");
}
