use daemonic::daemon;

#[daemon(user = -1, group = 4_294_967_295)]
fn example() {}

fn main() {
    let _ = example("start");
}
