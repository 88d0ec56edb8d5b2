use daemonic::daemon;

#[daemon(user = ())]
fn example() {}

fn main() {
    let _ = example("start");
}
