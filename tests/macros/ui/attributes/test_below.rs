use daemonic::daemon;

#[daemon]
#[test]
fn example() {}

fn main() {
    let _ = example("start");
}
