use daemonic::daemon;

#[daemon(group = None::<u32>)]
fn example() {}

fn main() {
    let _ = example("start");
}
