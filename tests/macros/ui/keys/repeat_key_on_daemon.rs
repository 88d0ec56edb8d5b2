use daemonic::daemon;

#[daemon(every = "5s")]
fn example() {}

fn main() {
    let _ = example("start");
}
