use daemonic::daemon;

#[daemon(colour = "/tmp")]
fn example() {}

fn main() {
    let _ = example("start");
}
