use daemonic::daemon;

#[daemon]
#[daemon]
fn example() {}

fn main() {
    let _ = example("start");
}
