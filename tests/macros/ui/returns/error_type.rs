use daemonic::daemon;

struct Failure;

#[daemon]
fn example() -> Result<(), Failure> {
    Err(Failure)
}

fn main() {
    let _ = example("start");
}
