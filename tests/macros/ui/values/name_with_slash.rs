use daemonic::daemon;

#[daemon(name = "/run/example")]
fn example() {}

fn main() {
    let _ = example("start");
}
