use daemonic::daemon;

#[daemon(crate = "daemonic")]
fn example() {}

fn main() {
    let _ = example("start");
}
