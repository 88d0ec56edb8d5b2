use daemonic::daemon;

#[daemon]
fn example() {}

fn main() {
    let _ = example(3);
}
