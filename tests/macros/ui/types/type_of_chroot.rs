use daemonic::daemon;

#[daemon(chroot = 3)]
fn example() {}

fn main() {
    let _ = example("start");
}
